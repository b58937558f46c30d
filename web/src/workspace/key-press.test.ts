import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { expect, test } from 'vitest';
import { pressKey } from './key-press';

/** A place with these in it; each stands for an editor with nothing written. */
function placeOf(html: string): { place: HTMLElement; texts: () => string[] } {
  const place = document.createElement('div');
  place.innerHTML = html;
  document.body.replaceChildren(place);
  const views = [...place.children].map((parent) => new EditorView({ parent, state: EditorState.create() }));
  return { place, texts: () => views.map(({ state }) => state.doc.toString()) };
}

test('a key goes into the file that is seen, and nowhere where several could be meant', () => {
  const file = placeOf('<div></div>');
  pressKey(file.place, { text: '#' });
  expect(file.texts()).toEqual(['#']);
  const hidden = placeOf('<div hidden></div><div data-cell="1"></div><div data-cell="2"></div>');
  pressKey(hidden.place, { text: '#' });
  expect(hidden.texts()).toEqual(['', '', '']);
});
