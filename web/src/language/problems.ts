import { forEachDiagnostic, nextDiagnostic, previousDiagnostic, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { LSPPlugin, type LSPClient } from '@codemirror/lsp-client';
import { EditorView, keymap, ViewPlugin, type Command, type ViewUpdate } from '@codemirror/view';
import { isRecord, listOf, rangeOf, seen, textOf } from './client';
import { uriOf, whereabouts } from './paths';

const PROBLEMS_MAX = 500;
const MESSAGE_CHARS_MAX = 2_000;
/** What was typed is told once nothing has been typed for so long: no keystroke waits for it. */
const REST_MS = 300;
const SEVERITIES = ['error', 'warning', 'info', 'hint'] as const;

/** Tells the server what was typed, when there is a rest. */
const telling = ViewPlugin.fromClass(class {
  private timer: ReturnType<typeof setTimeout> | undefined;

  update(update: ViewUpdate): void {
    if (!update.docChanged) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { LSPPlugin.get(update.view)?.client.sync(); }, REST_MS);
  }

  destroy(): void {
    clearTimeout(this.timer);
  }
});

/** Goes to a problem and reads it out: its tooltip is only seen. */
const going = (to: Command): Command => (view) => {
  if (!to(view)) return false;
  const { from } = view.state.selection.main;
  const here: string[] = [];
  forEachDiagnostic(view.state, ({ message }, at) => { if (at === from) here.push(message); });
  view.dispatch({ effects: EditorView.announce.of(here.join('\n')) });
  return true;
};

export const nextProblem = going(nextDiagnostic);

export const problems = [telling, keymap.of([{ key: 'F8', run: nextProblem, preventDefault: true }, { key: 'Shift-F8', run: going(previousDiagnostic), preventDefault: true }])];

/** Shows what a server has against a file, where it is looked at and the server knows its latest text. */
export function publish(client: LSPClient, params: unknown, tell: (path: string, count: number) => void): void {
  if (!isRecord(params)) return;
  const where = whereabouts(params['uri']);
  if (!where || !('inside' in where)) return;
  const file = client.workspace.getFile(uriOf(where.inside));
  const view = file?.getView();
  const plugin = view && LSPPlugin.get(view);
  if (!file || !plugin || (typeof params['version'] === 'number' && params['version'] !== file.version)) return;
  const found = listOf(params['diagnostics'], PROBLEMS_MAX).flatMap((one): Diagnostic[] => {
    if (!isRecord(one)) return [];
    const range = rangeOf(plugin.syncedDoc, one['range']);
    const message = seen(textOf(one['message'], MESSAGE_CHARS_MAX));
    if (!range || message === '') return [];
    const [from, to] = [plugin.unsyncedChanges.mapPos(range.from, 1), plugin.unsyncedChanges.mapPos(range.to, -1)];
    const severity = SEVERITIES[typeof one['severity'] === 'number' ? one['severity'] - 1 : 0] ?? 'error';
    return [{ from, to: Math.max(from, to), severity, message }];
  });
  view.dispatch(setDiagnostics(view.state, found));
  tell(where.inside, found.filter(({ severity }) => severity === 'error' || severity === 'warning').length);
}

/** What a server said that is no more may be wrong by now. */
export function forget(client: LSPClient): void {
  for (const file of client.workspace.files) {
    const view = file.getView();
    if (view) view.dispatch(setDiagnostics(view.state, []));
  }
}
