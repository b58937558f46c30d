// Somebody who has a keyboard and no pointer: goes on with keys alone, and wants to see where they are.
import assert from 'node:assert/strict';
import { eventually } from './browser.mjs';

const PRESSES_MAX = 90;
const REACHED = ':is(a[href], button, input, select, textarea, summary, [contenteditable=true], [tabindex]):not(:disabled)';

/** In the page: what an element is called. */
function nameOf(element) {
  const named = (element.getAttribute('aria-labelledby') ?? '').split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
  const name = element.getAttribute('aria-label') ?? (named || element.labels?.[0]?.textContent || element.textContent || '');
  return name.trim().replace(/\s+/g, ' ');
}

/** What `look` returns in the page, which is given `nameOf` and what else it needs. */
const inPage = (page, look, ...needs) => page.evaluate(`(${look})(${[nameOf, ...needs.map((need) => JSON.stringify(need))].join(', ')})`);

/** What has the focus: what it is, what it is called, and whether it can be seen that it has it. */
export const focused = (page) =>
  inPage(page, (nameOf) => {
    const element = document.activeElement;
    const drawn = (one, what) => {
      if (!one) return false;
      const style = getComputedStyle(one);
      const seen = (colour) => !/^(?:transparent|rgba\(.*, 0\))$/.test(colour);
      if (what === 'line') return style.borderTopStyle !== 'none' && Number.parseFloat(style.borderTopWidth) >= 2 && seen(style.borderTopColor);
      return (style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 1.5 && seen(style.outlineColor)) || style.boxShadow !== 'none';
    };
    // The editor and the terminal draw it around what is typed into; boxes to tick may, around their words.
    const isSeen = drawn(element) || drawn(element.closest('.cm-editor')?.parentElement, 'line') || drawn(element.closest('.xterm')?.parentElement) || (element.matches('input[type=checkbox]') && drawn(element.closest('label')));
    const box = element.getBoundingClientRect();
    const isAnywhere = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return { tag: element.localName, role: element.getAttribute('role') ?? '', name: nameOf(element), isSeen, isAnywhere, isInDialog: element.closest('[role=dialog], [role=alertdialog]') !== null };
  });

/** Where the focus is, which must be somewhere, and be seen. */
export async function at(page, name) {
  const place = await eventually(`the focus comes to ${name}`, async () => {
    const now = await focused(page);
    if (!now.name.startsWith(name)) throw new Error(`it is on ${JSON.stringify(now)}`);
    return now;
  });
  assert.deepEqual({ isSeen: place.isSeen, isAnywhere: place.isAnywhere }, { isSeen: true, isAnywhere: true }, `the focus is seen: ${JSON.stringify(place)}`);
  return place;
}

/** Whether Tab can come to something that is called so. */
const isReached = (page, name) =>
  inPage(page, (nameOf, reached, name) => [...document.querySelectorAll(reached)].some((one) => one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true }) && nameOf(one).startsWith(name)), REACHED, name);

/** Goes on with Tab until what has the focus is called so, once it is there: what still loads is passed by, and in a text Tab writes. At each
 * step it is seen where one is. */
export async function tabTo(page, name, key = 'Tab') {
  await eventually(`${name} is there`, () => isReached(page, name));
  const passed = [];
  for (let presses = 0; presses < PRESSES_MAX; presses += 1) {
    await page.keyboard.press(key);
    const now = await focused(page);
    // Beyond the last comes the browser's own part.
    if (now.tag === 'body') continue;
    passed.push(now.name.slice(0, 30));
    assert.ok(now.isSeen, `the focus is seen: ${JSON.stringify(now)}`);
    if (now.name.startsWith(name)) return now;
  }
  throw new Error(`${key} never comes to ${name}: ${passed.join(' | ')}`);
}

/** Leaves the text that is called so, in which Tab writes: Escape lends it for two seconds, and a slow machine may take longer from key to key. */
export const leaves = (page, name) =>
  eventually(`the focus leaves ${name}`, async () => {
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    const now = await focused(page);
    if (!now.name.startsWith(name)) return now;
    await page.keyboard.press('Control+z');
    return undefined;
  });

/** Presses keys that count only together, at most so long apart; once more where that took longer and, as `hasHappened` sees, was too long. */
export async function together(page, keys, apartMs, hasHappened) {
  await eventually(`${keys.join(' ')} counts`, async () => {
    const began = Date.now();
    for (const key of keys) await page.keyboard.press(key);
    return Date.now() - began < apartMs || hasHappened();
  });
}

/** Opens a dialog or a menu, and wants the focus in it. */
export async function opens(page, key = 'Enter') {
  await page.keyboard.press(key);
  await eventually('the focus is in what has opened', async () => page.evaluate(() => document.activeElement.closest('[role=dialog], [role=alertdialog], [role=menu]') !== null));
}

/** Closes it, and wants the focus where it was before. */
export async function closes(page, name) {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await at(page, name);
}
