import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const noDefault = { selector: 'ExportDefaultDeclaration', message: 'Export by name.' };
// What browsers keep from pages that come without HTTPS, as a school's may.
const noHttpsOnly = [
  { object: 'crypto', property: 'randomUUID', message: 'Is not there without HTTPS: take getRandomValues.' },
  { object: 'navigator', property: 'clipboard', message: 'Is not there without HTTPS: take ui/clipboard.' },
  { object: 'crypto', property: 'subtle', message: 'Is not there without HTTPS.' },
  { object: 'navigator', property: 'locks', message: 'Is not there without HTTPS.' },
];
const noBarrel = { selector: 'ExportAllDeclaration', message: 'Import from where it is; no barrels.' };

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'src/api/generated.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  jsxA11y.flatConfigs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', 'mock-api/**/*.ts'],
    plugins: { 'react-hooks': reactHooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-restricted-syntax': ['error', noDefault, noBarrel],
      'no-restricted-properties': ['error', ...noHttpsOnly],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-definitions': 'off',
      'max-lines': ['error', 500],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 5],
    },
  },
  {
    // Dumb parts know neither addresses nor servers.
    files: ['src/ui/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['**/api/**', '@tanstack/*', '**/components/**', '**/pages/**'] }] },
  },
  // The first asks whether it is there, the second is nowhere else.
  { files: ['src/ui/clipboard.ts', 'src/offline/**'], rules: { 'no-restricted-properties': 'off' } },
  { files: ['**/*.test.{ts,tsx}'], rules: { 'max-lines-per-function': 'off' } },
  { files: ['scripts/*.mjs', '*.js', '*.ts'], languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } } },
);
