import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Schema } from '../api/client';
import { sessionsQuery } from '../api/queries';
import { useText } from '../i18n/text';
import { Button, IconButton } from '../ui/Button';
import { Dialog, DialogActions } from '../ui/Dialog';
import { Menu } from '../ui/Menu';
import { Notice } from '../ui/Notice';
import { Ago } from './Ago';
import { SessionBadge } from './SessionBadge';
import styles from './SessionTable.module.css';

type Session = Schema['SessionView'];
type Props = { sessions: readonly Session[]; languages: readonly Schema['LanguageView'][] };

export function SessionTable({ sessions, languages }: Props) {
  const t = useText();
  const [ending, setEnding] = useState<Session | null>(null);
  const names = new Map(languages.map(({ id, name }) => [id, name]));
  return (
    <>
      <table className={styles['table']}>
        <thead>
          <tr>
            <th scope="col">{t('home.col.name')}</th>
            <th scope="col">{t('home.col.language')}</th>
            <th scope="col">{t('home.col.state')}</th>
            <th scope="col" className={styles['wide']}>{t('home.col.created')}</th>
            <th scope="col" className={styles['wide']}>{t('home.col.ends')}</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <tr key={session.id}>
              <th scope="row">
                <Link to="/w/$session" params={{ session: session.id }} className={styles['name'] ?? ''}>
                  {session.name}
                </Link>
              </th>
              <td>{names.get(session.language ?? '') ?? session.language ?? session.image}</td>
              <td>
                <SessionBadge state={session.state} />
              </td>
              <td className={styles['wide']}><Ago time={session.created_at} /></td>
              <td className={styles['wide']}>{session.ends_at ? <Ago time={session.ends_at} /> : t('home.never')}</td>
              <td className={styles['acts']}>
                <Menu
                  label={t('home.more', { name: session.name })}
                  trigger={<IconButton icon="more" label={t('home.more', { name: session.name })} />}
                  choices={[{ id: 'end', label: t('home.end'), icon: 'trash', danger: true }]}
                  onChoose={() => { setEnding(session); }}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {ending && <EndDialog session={ending} onClose={() => { setEnding(null); }} />}
    </>
  );
}

function EndDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const t = useText();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => client.DELETE('/api/v1/sessions/{id}', { params: { path: { id: session.id } } }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: sessionsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Dialog title={t('home.end.title', { name: session.name })} isOpen onClose={onClose}>
      <p>{t('home.end.text')}</p>
      {end.error && <Notice tone="danger">{end.error.message}</Notice>}
      <DialogActions>
        <Button onPress={onClose}>{t('app.cancel')}</Button>
        <Button look="danger" isPending={end.isPending} onPress={() => { end.mutate(); }}>
          {t('home.end.submit')}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
