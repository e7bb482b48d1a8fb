/** The first view must reach a slow office line quickly: scripts, styles and fonts within the budget. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET = 200_000;
const ASSETS = new URL('../../dist/assets', import.meta.url).pathname;

let total = 0;
for (const name of readdirSync(ASSETS).sort()) {
  const content = readFileSync(join(ASSETS, name));
  const size = name.endsWith('.woff2') ? content.length : gzipSync(content).length;
  total += size;
  console.log(`${String(size).padStart(8)} ${name}`);
}
console.log(`${String(total).padStart(8)} bytes compressed of ${BUDGET} allowed`);
if (total > BUDGET) {
  console.error('weight: the first view is over its budget');
  process.exitCode = 1;
}
