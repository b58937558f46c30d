import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Schema } from '../api/client';
import { sessionsQuery } from '../api/queries';
import { useText } from '../i18n/text';
import { Button, IconButton } from '../ui/Button';
import { Dialog, DialogActions } from '../ui/Dialog';
import { Menu } from '../ui/Menu';
import { Table } from '../ui/Table';
import look from '../ui/look.module.css';
import { Ago } from './Ago';
import { ProblemNotice } from './ProblemNotice';
import { SessionBadge } from './SessionBadge';

type Session = Schema['SessionView'];
type Props = { sessions: readonly Session[]; languages: readonly Schema['LanguageView'][] };

export function SessionTable({ sessions, languages }: Props) {
  const t = useText();
  const [ending, setEnding] = useState<Session | null>(null);
  const names = new Map(languages.map(({ id, name }) => [id, name]));
  return (
    <>
      <Table<Session>
        label={t('home.title')}
        rows={sessions}
        rowKey={({ id }) => id}
        columns={[
          { id: 'name', title: t('home.col.name'), cell: ({ id, name }) => <Link to="/w/$session" params={{ session: id }} className={look['name'] ?? ''}>{name}</Link> },
          { id: 'language', title: t('home.col.language'), cell: ({ language, image }) => names.get(language ?? '') ?? language ?? image },
          { id: 'state', title: t('home.col.state'), cell: ({ state }) => <SessionBadge state={state} /> },
          { id: 'created', title: t('home.col.created'), kind: 'wide', cell: ({ created_at }) => <Ago time={created_at} /> },
          { id: 'ends', title: t('home.col.ends'), kind: 'wide', cell: ({ ends_at }) => (ends_at ? <Ago time={ends_at} /> : t('home.never')) },
          { id: 'acts', title: '', kind: 'number', cell: (session) => <SessionMenu session={session} onEnd={() => { setEnding(session); }} /> },
        ]}
      />
      {ending && <EndDialog session={ending} onClose={() => { setEnding(null); }} />}
    </>
  );
}

function SessionMenu({ session: { name }, onEnd }: { session: Session; onEnd: () => void }) {
  const t = useText();
  const label = t('home.more', { name });
  return <Menu label={label} trigger={<IconButton icon="more" label={label} />} choices={[{ id: 'end', label: t('home.end'), icon: 'trash', danger: true }]} onChoose={onEnd} />;
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
      <ProblemNotice error={end.error} />
      <DialogActions>
        <Button onPress={onClose}>{t('app.cancel')}</Button>
        <Button look="danger" isPending={end.isPending} onPress={() => { end.mutate(); }}>
          {t('home.end.submit')}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
