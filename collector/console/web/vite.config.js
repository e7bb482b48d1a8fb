import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    // Machines in the offices run browsers of 2023 and older: nothing newer may be needed.
    target: ['chrome109', 'firefox115', 'safari16'],
    // `data:` URLs for fonts would break `font-src 'self'`; the polyfill is an inline-able script nobody needs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
});
