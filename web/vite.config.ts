import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { mockApi } from './mock-api/vite-plugin.ts';

// MADANG_URL: a real server for `npm run dev`; the API in memory where it is not set.
const server = process.env['MADANG_URL'];

/** Puts `early.ts` before the page's own script, as a script of its own: it begins while the other is still on its way. */
const early: Plugin = {
  name: 'early',
  transformIndexHtml: {
    order: 'post',
    handler(_html, { bundle }) {
      const script = Object.values(bundle ?? {}).find((chunk) => chunk.type === 'chunk' && chunk.isEntry && chunk.name === 'early');
      return script ? [{ tag: 'script', attrs: { type: 'module', async: true, fetchpriority: 'high', src: `/${script.fileName}` }, injectTo: 'head-prepend' }] : [];
    },
  },
};

export default defineConfig({
  plugins: [react(), early, ...(server ? [] : [mockApi()])],
  // Replaced in every answer by its own nonce, see crates/control/src/http/web.rs.
  html: { cspNonce: '__CSP_NONCE__' },
  server: server ? { proxy: { '/api': { target: server, ws: true } } } : {},
  build: { target: 'es2023', emptyOutDir: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 800, rolldownOptions: { input: { index: 'index.html', early: 'src/early.ts' } } },
  test: { environment: 'happy-dom', setupFiles: ['./src/testing/setup.ts'], css: { modules: { classNameStrategy: 'non-scoped' } }, testTimeout: 180_000 },
});
