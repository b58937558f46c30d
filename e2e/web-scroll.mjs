// How smoothly a list of 10,000 sessions scrolls, by the browser's own clock: the page of `npm run dev` over the API in memory, seeded.
//
//   MADANG_MOCK_SESSIONS=10000 npm run dev --prefix web     then, in the folder that scripts/e2e made:     node web-scroll.mjs http://localhost:5173
import { launch } from './browser.mjs';

const SCROLL_MS = 5_000;
const MIN_FPS = 50;

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(`${process.argv[2]}/signin`);
await page.getByLabel('Name').fill('administrator');
await page.getByLabel('Password').fill('a long enough password');
await page.getByRole('button', { name: 'Sign in', exact: true }).click();
await page.getByRole('heading', { level: 1 }).getByText(/Workspaces/).waitFor();
const begun = Date.now();
await page.goto(`${process.argv[2]}/sessions`);
await page.getByText('10,000 sessions', { exact: true }).waitFor();
const loaded = Date.now() - begun;
const frames = await page.evaluate(async (duration) => {
  const frame = document.querySelector('[role=grid]');
  const speed = 4_000; // pixels a second: a flick
  const took = [];
  let before = performance.now();
  const end = before + duration;
  while (before < end) {
    const now = await new Promise((resolve) => requestAnimationFrame(resolve));
    took.push(now - before);
    frame.scrollTop += (speed * (now - before)) / 1_000;
    before = now;
  }
  return took.slice(1).sort((one, other) => one - other);
}, SCROLL_MS);
const seen = await page.locator('[role=row]').count();
await browser.close();
const fps = 1_000 / (frames.reduce((sum, ms) => sum + ms, 0) / frames.length);
const p95 = frames[Math.floor(frames.length * 0.95)];
console.log(JSON.stringify({ sessions: 10_000, loaded_ms: loaded, frames: frames.length, fps: Number(fps.toFixed(1)), frame_p95_ms: Number(p95.toFixed(1)), rows_in_page: seen }));
if (fps < MIN_FPS) process.exitCode = 1;
