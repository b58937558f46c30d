// Typing while everything goes away: pages, the server, the network, the machine. Afterwards the file has every keystroke once, in order.
import assert from 'node:assert/strict';
import { eventually } from './browser.mjs';
import { editable, named } from './web.mjs';

/** One line of more than twice this is not in the page as a whole: CodeMirror leaves out what is far from what is seen. */
const LINE_MAX = 2_000;

/** Always the same dice for one seed. */
function dice(seed) {
  let state = seed % 2_147_483_646 + 1;
  return (sides) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % sides;
  };
}

export class LossRounds {
  constructor(page, server, session, seed) {
    Object.assign(this, { page, server, session, seed, roll: dice(seed), typed: '', keys: 0, files: 0, counts: {} });
    page.on('dialog', (dialog) => dialog.accept());
    this.acts = { reload: this.reload, kill: this.kill, offline: this.offline, sleep: this.sleep, otherTab: this.otherTab, bothTabs: this.bothTabs };
  }

  /** Puts an empty file into the workspace and looks at it. */
  async begin() {
    this.files += 1;
    this.typed = '';
    await this.server.write(this.session.id, this.path, '');
    await this.page.goto(`${this.server.url}/w/${this.session.id}`);
    await named(this.page, 'row', this.path).click();
    await editable(this.page, this.path);
  }

  get path() {
    return `notes-${this.files}.txt`;
  }

  async ready(page) {
    await page.locator('.cm-content[contenteditable=true]').waitFor();
  }

  async round(name = Object.keys(this.acts)[this.roll(Object.keys(this.acts).length)]) {
    if (this.typed.length > LINE_MAX) await this.begin();
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    await this.type(this.page);
    await this.acts[name].call(this);
    await this.type(this.page);
    await this.settled(this.page, name);
  }

  /** A few keys at the end of the text; each is in the page when this returns. */
  async type(page, into = null) {
    await page.locator('.cm-content').focus();
    await page.keyboard.press('Control+End');
    let typed = '';
    for (let count = 1 + this.roll(6); count > 0; count -= 1) {
      const key = String.fromCharCode(97 + (this.keys % 26));
      await page.keyboard.press(key);
      this.keys += 1;
      typed += key;
    }
    const number = `${this.keys};`;
    await page.keyboard.type(number);
    this.keys += number.length;
    typed += number;
    if (into === null) this.typed += typed;
    return typed;
  }

  /** Up to when the page says that it is saved: then it is at the server, once and whole. */
  async settled(page, after) {
    await eventually(`saved after ${after}`, () => page.getByText('Saved', { exact: true }).isVisible());
    assert.equal(await this.text(), this.typed, `after ${after}, seed ${this.seed}`);
  }

  text() {
    return this.server.text(`/sessions/${this.session.id}/files/${this.path}`);
  }

  pause(most) {
    return this.page.waitForTimeout(this.roll(most));
  }

  /** At any time between a key and its being saved. */
  async reload() {
    await this.pause(900);
    await this.page.reload();
    await this.ready(this.page);
  }

  async kill() {
    await this.pause(900);
    await this.server.kill();
    await this.type(this.page);
    await this.pause(1_500);
    await this.server.restart();
  }

  async offline() {
    await this.page.context().setOffline(true);
    await this.type(this.page);
    await this.pause(1_500);
    await this.type(this.page);
    await this.page.context().setOffline(false);
    // Half of the time the page goes away before it has told the server.
    if (this.roll(2) === 0) await this.reload();
  }

  /** A lid that closes: timers stand still. */
  async sleep() {
    const cdp = await this.page.context().newCDPSession(this.page);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    await this.pause(1_500);
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await cdp.detach();
  }

  async secondPage() {
    const other = await this.page.context().newPage();
    other.on('dialog', (dialog) => dialog.accept());
    await other.goto(`${this.server.url}/w/${this.session.id}`);
    await this.ready(other);
    return other;
  }

  /** Goes on in another tab and comes back. */
  async otherTab() {
    await this.settled(this.page, 'typing');
    const other = await this.secondPage();
    await this.type(other);
    await this.settled(other, 'typing in another tab');
    await other.close();
    await this.seenHere();
  }

  /** Types in both at once: whoever comes second is asked, and neither text is gone before; or has heard of the first in time and goes on after it. */
  async bothTabs() {
    await this.settled(this.page, 'typing');
    const other = await this.secondPage();
    const [mine, theirs] = [await this.type(this.page, 'one'), await this.type(other, 'other')];
    const asked = await eventually('one of them is asked', async () => {
      for (const page of [this.page, other]) if (await named(page, 'button', 'Keep mine').isVisible()) return page;
      const text = await this.text();
      // What comes to where the second is about to type comes behind it.
      return [this.typed + mine + theirs, this.typed + theirs + mine].includes(text) ? text : null;
    });
    if (typeof asked === 'string') {
      this.typed = asked;
      await this.settled(other, 'typing after the first');
      await other.close();
      await this.seenHere();
      return;
    }
    const [own, others] = asked === this.page ? [mine, theirs] : [theirs, mine];
    const text = await this.text();
    assert.equal(text, this.typed + others, `the second overwrites nothing unasked, seed ${this.seed}`);
    // Whoever is asked and reloads first is asked again, with all that was typed, as often as that is.
    for (let times = this.roll(3); times > 0; times -= 1) {
      await asked.reload();
      await named(asked, 'button', 'Keep mine').waitFor();
    }
    await named(asked, 'button', 'Keep mine').click();
    this.typed += own;
    await this.settled(asked, 'the choice');
    await other.close();
    await this.seenHere();
  }

  /** The tab that stays shows what another has saved: it is told, and looks when it is looked at, which headless Chromium does not say by itself. */
  async seenHere() {
    await this.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await eventually('the tab that stays has it', async () => (await this.page.locator('.cm-content').innerText()).trim() === this.typed);
  }
}
