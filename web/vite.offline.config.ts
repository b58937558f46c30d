import { defineConfig } from 'vite';

/** The page for when the server is away, and the worker that answers with it: built by themselves, so that they share no file with the rest. */
export default defineConfig({
  publicDir: false,
  build: {
    target: 'es2023',
    emptyOutDir: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { page: 'offline.html', worker: 'src/offline/worker.ts' },
      output: {
        entryFileNames: ({ name }) => (name === 'worker' ? 'worker.js' : 'offline/[name]-[hash].js'),
        chunkFileNames: 'offline/[name]-[hash].js',
        assetFileNames: 'offline/[name]-[hash][extname]',
      },
    },
  },
});
