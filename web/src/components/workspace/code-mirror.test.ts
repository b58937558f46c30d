import { EditorState } from '@codemirror/state';
import { expect, test } from 'vitest';
import { endings, replaced } from './code-mirror';

const after = (before: string, text: string) => {
  const state = EditorState.create({ doc: before, extensions: endings(before) });
  const { state: atEnd } = state.update({ selection: { anchor: state.doc.length } });
  return atEnd.update(replaced(atEnd, text)).state;
};

test.each([
  ['', 'a'],
  ['a', ''],
  ['aa', 'a'],
  ['one\ntwo\n', 'one\nmore\ntwo\n'],
  ['abcabc', 'abc'],
  ['one\r\ntwo', 'one\r\n2\r\ntwo\r\n'],
])('another text takes the place of this one: %j, %j', (before, text) => {
  expect(after(before, text).sliceDoc()).toBe(text);
});

test('whoever stands at the end stays there while something comes before', () => {
  const state = after('one\ntwo', 'zero\none\ntwo');
  expect(state.selection.main.head).toBe(state.doc.length);
});

test.each(['a\r\nb\r\n', 'a\nb\n', ''])('lines end as they did: %j', (text) => {
  const state = EditorState.create({ doc: text, extensions: endings(text) });
  expect(state.sliceDoc()).toBe(text);
});
