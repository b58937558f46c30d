import { quietSheet, quietStyle } from './frame-css';

/** What a frame that may do nothing refuses, or would only look as if it did something. */
const REFUSED = 'script, iframe, frame, frameset, object, embed, base, meta, link, form, input, button, textarea, select, video, audio';
const ADDRESSES: ReadonlySet<string> = new Set(['src', 'srcset', 'href', 'xlink:href', 'action', 'formaction', 'background', 'data', 'poster', 'ping']);
/** Within the frame itself, or in the text. */
const HARMLESS = /^\s*(?:#|data:image\/)/i;

/** Chromium reports handlers, styles and bases even of a document that is only read. */
const TAGS = /<[a-z][^>]*>/gi;
const HANDLERS = /([\s"'/])on(?=[a-z]+\s*=)/gi;
const STYLES = /<style(?=[\s/>])/gi;
const BASES = /<base(?=[\s/>])/gi;

/**
 * HTML of a program as it stands in its frame: its styles carry the nonce without which they are not seen, and what the frame and the page's policy
 * refuse is not in it. They are the wall, not this: this keeps the browser's complaints for what nobody expects.
 */
export function frameHtml(html: string, nonce: string): string {
  const quiet = html.replace(TAGS, (tag) => tag.replace(HANDLERS, '$1data-on')).replace(STYLES, `<style nonce="${nonce}"`).replace(BASES, '<x-base');
  const page = new DOMParser().parseFromString(quiet, 'text/html');
  for (const refused of page.querySelectorAll(REFUSED)) refused.remove();
  for (const style of page.querySelectorAll('style')) style.textContent = quietSheet(style.textContent);
  for (const element of page.querySelectorAll('*')) {
    if (element.hasAttribute('style') && (element instanceof HTMLElement || element instanceof SVGElement)) quietStyle(element.style);
    for (const { name, value } of [...element.attributes]) {
      if (/^(?:on|autofocus$)/i.test(name) || (ADDRESSES.has(name.toLowerCase()) && !HARMLESS.test(value))) element.removeAttribute(name);
    }
  }
  return page.documentElement.outerHTML;
}
