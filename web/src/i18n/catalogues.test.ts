import { expect, test } from 'vitest';
import { createIntl } from 'react-intl';
import { boardTexts, type MessageId as BoardId } from './board';
import { consoleParts, consoleTexts, type MessageId as ConsoleId } from './console';
import { en } from './en';
import { CATALOGUES } from './text';
import document from '../../../docs/openapi.json';
import { OTHER_CODES } from '../api/problem';

type MessageId = BoardId | ConsoleId;
const all: Readonly<Record<MessageId, string>> = { ...en, ...consoleTexts.en, ...boardTexts.en };
const ids = Object.keys(all) as MessageId[];
/** The names in braces, without what stands in plural forms. */
const names = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\s*[,}]/g)].map((found) => found[1] ?? ''))].sort();

test('every catalogue has every message, and no other', () => {
  for (const catalogue of Object.values(CATALOGUES)) expect(Object.keys(catalogue).sort()).toEqual(ids.toSorted());
});

test('no page that comes later says something else by the same name', () => {
  const again = [...consoleParts, boardTexts.en].flatMap((part) => Object.keys(part));
  expect([...again, ...Object.keys(en)].filter((id, at, every) => every.indexOf(id) !== at)).toEqual([]);
});

test('every code of a failure that the API has is explained, and no other', () => {
  const { enum: codes } = document.components.schemas.Problem.properties.code;
  expect(codes.length).toBeGreaterThan(20);
  for (const catalogue of Object.values(CATALOGUES)) {
    const explained = Object.keys(catalogue).flatMap((id) => (id.startsWith('problem.') ? [id.slice('problem.'.length)] : []));
    expect(explained.sort()).toEqual([...codes, ...OTHER_CODES, 'unknown'].sort());
  }
});

test('messages can be read, are not empty, and name the same values in every language', () => {
  for (const [locale, messages] of Object.entries(CATALOGUES) as [string, typeof all][]) {
    const onError = (error: Error) => { throw error; };
    const intl = createIntl({ locale, messages, onError });
    for (const id of ids) {
      expect(intl.formatMessage({ id }, Object.fromEntries(names(messages[id]).map((name) => [name, 2]))).trim(), `${locale} ${id}`).not.toBe('');
      expect(names(messages[id]), `${locale} ${id}`).toEqual(names(all[id]));
    }
  }
});
