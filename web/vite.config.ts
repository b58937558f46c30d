import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { mockApi } from './mock-api/vite-plugin.ts';

// MADANG_URL: a real server for `npm run dev`; the API in memory where it is not set.
const server = process.env['MADANG_URL'];

export default defineConfig({
  plugins: [react(), ...(server ? [] : [mockApi()])],
  // Replaced in every answer by its own nonce, see crates/control/src/http/web.rs.
  html: { cspNonce: '__CSP_NONCE__' },
  server: server ? { proxy: { '/api': { target: server, ws: true } } } : {},
  build: { target: 'es2023', emptyOutDir: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0, chunkSizeWarningLimit: 800 },
  test: { environment: 'happy-dom', setupFiles: ['./src/testing/setup.ts'], css: { modules: { classNameStrategy: 'non-scoped' } } },
});
