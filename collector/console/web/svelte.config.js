/** Compiler options that the build and the type checker share. */
export default {
  compilerOptions: { runes: true },
};
