import { createRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { Markdown } from '../components/workspace/Markdown';
import { isRecord, listOf, seen, textOf } from './client';

const CHARS_MAX = 20_000;
const PARTS_MAX = 10;

/** What a server says in Markdown, in text, or as code in some language. */
export function saidIn(contents: unknown): { text: string; isMarkdown: boolean } {
  const parts = Array.isArray(contents) ? listOf(contents, PARTS_MAX) : [contents];
  const isMarkdown = !parts.some((part) => isRecord(part) && part['kind'] === 'plaintext');
  const text = parts.map((part) => {
    if (!isRecord(part)) return textOf(part, CHARS_MAX);
    const value = textOf(part['value'], CHARS_MAX);
    return typeof part['language'] === 'string' ? `~~~~~~\n${value}\n~~~~~~` : value;
  });
  return { text: seen(text.join('\n\n').slice(0, CHARS_MAX)).trim(), isMarkdown };
}

/** Draws it from its syntax tree, never as HTML: what stands in it as tags is shown as the text that it is. */
export function drawn({ text, isMarkdown }: ReturnType<typeof saidIn>): { dom: HTMLElement; destroy: () => void } {
  const dom = document.createElement('div');
  dom.className = 'cm-said';
  dom.tabIndex = 0;
  if (!isMarkdown) {
    const plain = dom.appendChild(document.createElement('div'));
    plain.className = 'cm-said-plain';
    plain.textContent = text;
    return { dom, destroy: () => undefined };
  }
  const root = createRoot(dom);
  flushSync(() => { root.render(<Markdown text={text} picture={(_, alt) => alt} />); });
  // Not at once: it may be taken away while something else is being drawn.
  return { dom, destroy: () => { setTimeout(() => { root.unmount(); }, 0); } };
}
