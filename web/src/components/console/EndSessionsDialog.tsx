import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { client, type Schema } from '../../api/client';
import { errorOf } from '../../api/problem';
import { sessionsQuery } from '../../api/queries';
import { sessionListKey } from '../../api/session-list';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { Dialog, DialogActions } from '../../ui/Dialog';
import { Notice } from '../../ui/Notice';
import { ProblemText } from '../ProblemText';
import styles from './console.module.css';

type Session = Schema['SessionView'];

/** Requests under way at once. */
const SIDE_BY_SIDE = 8;
/** Names that are said; of the others, how many. */
const NAMED_MAX = 8;

type Props = { sessions: readonly Session[]; people: ReadonlyMap<string, string>; onClose: () => void; onEnded: (ids: readonly string[]) => void };

/** Asks whether to end sessions, and says what goes with them. */
export function EndSessionsDialog({ sessions, people, onClose, onEnded }: Props) {
  const t = useText();
  const [done, setDone] = useState(0);
  const end = useEnd(sessions, () => { setDone((done) => done + 1); }, onEnded);
  const runs = sessions.reduce((sum, { runs_live }) => sum + (runs_live ?? 0), 0);
  const owners = [...new Set(sessions.map(({ owner }) => people.get(owner) ?? owner))];
  const names = sessions.slice(0, NAMED_MAX).map(({ name }) => name);
  const failed = end.data ?? [];
  return (
    <Dialog title={t('sessions.end.title', { count: sessions.length })} isOpen onClose={onClose}>
      <p>{t('sessions.end.whose', { count: owners.length, owners: owners.slice(0, NAMED_MAX).join(', ') })}</p>
      <p>{names.join(', ')}{sessions.length > names.length && ` ${t('sessions.end.more', { count: sessions.length - names.length })}`}</p>
      <Notice tone="warm">{t('sessions.end.lost', { runs })}</Notice>
      {failed.length > 0 && (
        <Notice tone="danger">
          <ul>{failed.slice(0, NAMED_MAX).map(({ name, error }) => <li key={name}>{`${name}: `}<ProblemText error={error} /></li>)}</ul>
        </Notice>
      )}
      {end.isPending && <progress className={styles['progress']} aria-label={t('sessions.end.progress')} value={done} max={sessions.length} />}
      <DialogActions>
        <Button onPress={onClose}>{t('app.cancel')}</Button>
        <Button look="danger" isPending={end.isPending} onPress={() => { setDone(0); end.mutate(); }}>{t('sessions.end.submit', { count: sessions.length })}</Button>
      </DialogActions>
    </Dialog>
  );
}

/** Ends them, a few at a time; its data are those that could not be ended, and why. */
function useEnd(sessions: readonly Session[], onOne: () => void, onEnded: (ids: readonly string[]) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      const waiting = [...sessions];
      const failed: { name: string; error: Error }[] = [];
      const ended: string[] = [];
      const work = async () => {
        for (let session = waiting.shift(); session; session = waiting.shift()) {
          const { id, name } = session;
          await client.DELETE('/api/v1/sessions/{id}', { params: { path: { id } } }).then(() => ended.push(id), (error: unknown) => failed.push({ name, error: errorOf(error) }));
          onOne();
        }
      };
      await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
      await Promise.all([sessionListKey, ...sessionsQuery.queryKey].map((key) => queries.invalidateQueries({ queryKey: [key] })));
      if (failed.length === 0) onEnded(ended);
      return failed;
    },
  });
}
