// Writes src/api/generated.ts from docs/openapi.json; with --check says whether it is what is there.
import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const document = new URL('../../docs/openapi.json', import.meta.url);
const target = new URL('../src/api/generated.ts', import.meta.url);
const header = '// Generated from docs/openapi.json by `npm run generate`. Do not edit.\n\n';

const text = header + astToString(await openapiTS(document, { alphabetize: true, defaultNonNullable: false }));
if (process.argv.includes('--check')) {
  const present = await readFile(target, 'utf8').catch(() => '');
  if (present !== text) {
    console.error('web/src/api/generated.ts is not what docs/openapi.json says: run `npm run generate` in web/');
    process.exit(1);
  }
  console.log('drift: none');
} else {
  await writeFile(target, text);
}
