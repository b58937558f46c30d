// What the worker answers with in place of any page while the server does not answer. It knows no API but whether the server is well, and shows
// nothing that is not in this browser already.
import '../ui/tokens.css';
import './page.css';
import { offlineEn } from '../i18n/en/offline';
import { offlineKo } from '../i18n/ko/offline';
import { readSettings, showSettings } from '../stores/kept-settings';
import { shown } from '../workspace/names';
import { keptDrafts } from './drafts';

const ASK_MS = 2_000;
const ANSWER_MS_MAX = 10_000;

const settings = readSettings();
const texts: Readonly<Record<keyof typeof offlineEn, string>> = { en: offlineEn, ko: offlineKo }[settings.locale];
let timer: ReturnType<typeof setTimeout> | undefined;

function one(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`offline.html has no ${selector}`);
  return found;
}

const state = one('.state');

/** Asks whether the server is back, and then opens what was gone to in the first place. */
async function ask(): Promise<void> {
  clearTimeout(timer);
  state.textContent = texts['offline.asking'];
  const isBack = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS_MAX) }).then(({ ok }) => ok, () => false);
  if (isBack && location.pathname === '/offline.html') location.replace('/');
  else if (isBack) location.reload();
  state.textContent = texts[navigator.onLine ? 'offline.waiting' : 'offline.network'];
  timer = setTimeout(() => void ask(), ASK_MS);
}

function say(): void {
  showSettings(settings);
  one('h1').textContent = texts['offline.title'];
  one('.text').textContent = texts['offline.text'];
  one('.drafts h2').textContent = texts['offline.drafts'];
  one('.drafts p').textContent = texts['offline.drafts.text'];
  const again = one('.again');
  again.textContent = texts['offline.again'];
  again.addEventListener('click', () => void ask());
}

function showDrafts(): void {
  const drafts = keptDrafts(/^\/w\/([^/]+)/.exec(location.pathname)?.[1] ?? null);
  one('.drafts').hidden = drafts.length === 0;
  one('.drafts ul').append(...drafts.map(({ path, text }) => draftItem(shown(path), text)));
}

function draftItem(name: string, text: string): HTMLElement {
  const [item, head, title, copy, code] = [document.createElement('li'), document.createElement('div'), document.createElement('span'), document.createElement('button'), document.createElement('pre')];
  head.className = 'head';
  title.textContent = name;
  copy.type = 'button';
  copy.textContent = texts['offline.copy'];
  copy.setAttribute('aria-label', `${texts['offline.copy']}: ${name}`);
  copy.addEventListener('click', () => void navigator.clipboard.writeText(text).then(() => { copy.textContent = texts['offline.copied']; }, () => undefined));
  // It scrolls, so the keyboard must reach it.
  code.tabIndex = 0;
  code.setAttribute('role', 'group');
  code.setAttribute('aria-label', name);
  code.textContent = text;
  head.append(title, copy);
  item.append(head, code);
  return item;
}

say();
showDrafts();
window.addEventListener('online', () => void ask());
void ask();
