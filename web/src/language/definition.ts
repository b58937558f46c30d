import { keymap, type Command } from '@codemirror/view';
import { Facet, type Extension } from '@codemirror/state';
import { asked, isRecord } from './client';
import type { Rim } from './live';
import { whereabouts } from './paths';

const NOTHING = { kind: 'nowhere' } as const;

/** F12 goes to where the word at the cursor is defined. An array: the library takes nothing else for an extension. */
export const defining = (rim: Pick<Rim, 'open' | 'note'>): Extension => {
  const run = goingTo(rim);
  return [keymap.of([{ key: 'F12', run, preventDefault: true }]), going.of(run)];
};

const going = Facet.define<Command, Command | null>({ combine: ([first]) => first ?? null });

/** The same for whoever has no such key. */
export const goToDefinition: Command = (view) => view.state.facet(going)?.(view) ?? false;

function goingTo(rim: Pick<Rim, 'open' | 'note'>): Command {
  const run: Command = (view) => {
    const question = asked(view, view.state.selection.main.head);
    if (!question) return false;
    void question.plugin.client.request('textDocument/definition', question.params).catch(() => null).then((said) => { go(said, rim); });
    return true;
  };
  return run;
}

function go(said: unknown, { open, note }: Pick<Rim, 'open' | 'note'>): void {
  const first: unknown = Array.isArray(said) ? said[0] : said;
  const place = isRecord(first) ? { uri: first['uri'] ?? first['targetUri'], range: first['range'] ?? first['targetSelectionRange'] } : null;
  const where = whereabouts(place?.uri);
  const start = isRecord(place?.range) ? place.range['start'] : null;
  const { line, character } = isRecord(start) ? start : {};
  if (!where || typeof line !== 'number' || typeof character !== 'number') note(NOTHING);
  else if ('outside' in where) note({ kind: 'outside', file: where.outside });
  else open(where.inside, { line: Math.trunc(line), character: Math.trunc(character) });
}
