import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { languagesQuery, ownSessionsQuery, signinQuery } from '../api/queries';
import { LanguageCards } from '../components/LanguageCards';
import { NewWorkspaceDialog } from '../components/NewWorkspaceDialog';
import { ProblemNotice } from '../components/ProblemNotice';
import { SessionTable } from '../components/SessionTable';
import { Told } from '../components/Told';
import { Welcome } from '../components/Welcome';
import { isAdministrator } from '../components/roles';
import { useLoaded } from '../hooks/use-loaded';
import { useNewWorkspace } from '../hooks/use-new-workspace';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { PageHeading } from '../ui/PageHeading';
import styles from './HomePage.module.css';

/** One's own workspaces, and for whoever answers for others how those fare. */
export function HomePage() {
  const t = useText();
  const { data: signin } = useQuery(signinQuery);
  const sessions = useQuery({ ...ownSessionsQuery(signin?.user ?? ''), enabled: signin !== undefined });
  const languages = useQuery(languagesQuery);
  const overview = useLoaded(loadOverview);
  const [isMaking, setMaking] = useState(false);
  const available = languages.data?.filter(({ available }) => available) ?? [];
  // Whoever answers for others and has nothing of their own came for those; who sets a service up begins with a first program.
  const isTeachersStart = sessions.data?.items.length === 0 && !isAdministrator(signin?.role ?? '');
  const failure = sessions.error ?? languages.error;
  return (
    <div className={styles['page']}>
      <Told />
      <ProblemNotice error={failure} action={<Button small onPress={() => void Promise.all([sessions.refetch(), languages.refetch()])}>{t('app.retry')}</Button>} />
      {isTeachersStart && overview && <overview.Overview />}
      {sessions.data?.items.length === 0 && languages.data && <Welcome languages={available} />}
      {sessions.data && sessions.data.items.length > 0 && (
        <>
          <div className={styles['head']}>
            <PageHeading>{t('home.title')}</PageHeading>
            <Button look="primary" icon="add" onPress={() => { setMaking(true); }}>
              {t('home.new')}
            </Button>
          </div>
          <SessionTable sessions={sessions.data.items} languages={languages.data ?? []} />
          {sessions.data.next_cursor && <p className={styles['more']}>{t('home.shown', { count: sessions.data.items.length })}</p>}
          {!isAdministrator(signin?.role ?? '') && <Begin languages={available} />}
        </>
      )}
      {sessions.isPending && <p className={styles['more']}>{t('app.loading')}</p>}
      {overview && sessions.data && !isTeachersStart && <overview.Overview />}
      <NewWorkspaceDialog languages={available} isOpen={isMaking} onClose={() => { setMaking(false); }} />
    </div>
  );
}

/** Comes after what one came for: most people see nothing of it. */
const loadOverview = () => import('../components/home/Overview');

function Begin({ languages }: { languages: Parameters<typeof LanguageCards>[0]['languages'] }) {
  const t = useText();
  const make = useNewWorkspace();
  return (
    <section aria-label={t('home.begin')} className={styles['begin']}>
      <h2>{t('home.begin')}</h2>
      <ProblemNotice error={make.error} />
      {make.isPending && <Notice>{t('home.starting')}</Notice>}
      <LanguageCards languages={languages} isDisabled={make.isPending} onChoose={(language) => { make.mutate({ language }); }} />
    </section>
  );
}
