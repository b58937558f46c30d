// How much JavaScript a browser loads before the editor, gzipped, as the build left it in dist/: the page's script, the workspace, and what they import.
import { readFile, readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const MAX_BYTES = 250 * 1024;
const dist = new URL('../dist/', import.meta.url);

const page = await readFile(new URL('index.html', dist), 'utf8');
const waiting = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((found) => found[1]);
// The workspace is loaded when it is opened, and before its editor.
for (const name of await readdir(new URL('assets/', dist))) if (/^WorkspacePage-.*\.js$/.test(name)) waiting.push(`assets/${name}`);
const sizes = new Map();
while (waiting.length > 0) {
  const path = waiting.pop();
  if (sizes.has(path)) continue;
  const code = await readFile(new URL(path, dist));
  sizes.set(path, gzipSync(code, { level: 9 }).length);
  // Static imports only: what stands in `import(…)` is loaded when it is needed.
  for (const [, name] of code.toString().matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) waiting.push(`assets/${name}`);
}
const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
for (const [path, size] of sizes) console.log(`  ${path}: ${kib(size)}`);
console.log(`budget: ${kib(total)} of ${kib(MAX_BYTES)} JavaScript, gzipped, before the editor loads`);
if (sizes.size === 0) {
  console.error('budget: dist/index.html names no script');
  process.exit(1);
}
if (total > MAX_BYTES) {
  console.error('budget: too much');
  process.exit(1);
}
