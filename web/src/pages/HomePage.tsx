import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { languagesQuery, sessionsQuery } from '../api/queries';
import { NewWorkspaceDialog } from '../components/NewWorkspaceDialog';
import { SessionTable } from '../components/SessionTable';
import { Welcome } from '../components/Welcome';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import styles from './HomePage.module.css';

export function HomePage() {
  const t = useText();
  const sessions = useQuery(sessionsQuery);
  const languages = useQuery(languagesQuery);
  const [isMaking, setMaking] = useState(false);
  const available = languages.data?.filter(({ available }) => available) ?? [];
  const failure = sessions.error ?? languages.error;
  return (
    <div className={styles['page']}>
      {failure && (
        <Notice tone="danger" action={<Button small onPress={() => void Promise.all([sessions.refetch(), languages.refetch()])}>{t('app.retry')}</Button>}>
          {failure.message}
        </Notice>
      )}
      {sessions.data?.items.length === 0 && languages.data && <Welcome languages={available} />}
      {sessions.data && sessions.data.items.length > 0 && (
        <>
          <div className={styles['head']}>
            <h1>{t('home.title')}</h1>
            <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>
              {t('home.new')}
            </Button>
          </div>
          <SessionTable sessions={sessions.data.items} languages={languages.data ?? []} />
          {sessions.data.next_cursor && <p className={styles['more']}>{t('home.shown', { count: sessions.data.items.length })}</p>}
        </>
      )}
      {sessions.isPending && <p className={styles['more']}>{t('app.loading')}</p>}
      <NewWorkspaceDialog languages={available} isOpen={isMaking} onClose={() => { setMaking(false); }} />
    </div>
  );
}
