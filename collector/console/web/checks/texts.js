/** Both languages say everything the sources ask for, with the same places to fill: else the build fails. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = new URL('../src', import.meta.url).pathname;
const PLACE = /\{(\w+)[|}]/g;

/** @param {string} language */
function load(language) {
  return /** @type {Record<string, string>} */ (
    JSON.parse(readFileSync(join(SOURCES, 'texts', `${language}.json`), 'utf8'))
  );
}

/** @param {string} text */
function places(text) {
  return [...new Set([...text.matchAll(PLACE)].map((place) => place[1]))].sort().join(' ');
}

/** Every text key the sources name: whole ones, and the beginnings of those put together from data. */
function asked() {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' });
  const code = files
    .filter((file) => /\.(ts|svelte)$/.test(file) && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(SOURCES, file), 'utf8'))
    .join('\n');
  const whole = new Set([...code.matchAll(/['"]([a-zA-Z]+(?:\.[a-zA-Z]+)*)['"]/g)].map((found) => found[1]));
  const begun = [...code.matchAll(/`([a-zA-Z.]+\.)\$\{/g)].map((found) => /** @type {string} */ (found[1]));
  return { whole, begun };
}

function faults() {
  const [vi, en] = [load('vi'), load('en')];
  const found = [];
  for (const key of new Set([...Object.keys(vi), ...Object.keys(en)])) {
    if (!vi[key]) found.push(`vi.json lacks ${key}`);
    else if (!en[key]) found.push(`en.json lacks ${key}`);
    else if (places(vi[key]) !== places(en[key])) found.push(`${key}: the languages fill different places`);
  }
  const { whole, begun } = asked();
  for (const key of Object.keys(en)) {
    if (!whole.has(key) && !begun.some((start) => key.startsWith(start)))
      found.push(`${key} is used nowhere`);
  }
  return found;
}

const found = faults();
for (const fault of found) console.error(`texts: ${fault}`);
process.exitCode = found.length ? 1 : 0;
