import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import type { Schema } from '../api/client';
import { Problem } from '../api/problem';
import { languagesQuery, sessionQuery } from '../api/queries';
import { Simulation } from '../board/simulation';
import { EndingText } from '../components/EndingText';
import { ProblemNotice } from '../components/ProblemNotice';
import { SessionBadge } from '../components/SessionBadge';
import { WaitText } from '../components/WaitText';
import { WorkspaceView } from '../components/workspace/WorkspaceView';
import { useText } from '../i18n/text';
import { Button } from '../ui/Button';
import { PageHeading } from '../ui/PageHeading';
import { LanguageServices } from '../workspace/language-services';
import { Notebooks } from '../workspace/notebook';
import { Runs } from '../workspace/runs';
import { Tabs } from '../workspace/tabs';
import { WorkspaceContext, type Workspace } from '../workspace/workspace';
import styles from './FailurePage.module.css';

export function WorkspacePage() {
  const t = useText();
  const { session: id } = useParams({ from: '/signed-in/w/$session' });
  const session = useQuery(sessionQuery(id));
  const languages = useQuery(languagesQuery);
  if (session.data && languages.data) return <WorkspaceOf key={session.data.id} session={session.data} languages={languages.data} />;
  const error = session.error ?? languages.error;
  if (!error) return <p className={styles['page']}>{t('app.loading')}</p>;
  const isGone = error instanceof Problem && error.status === 404;
  return (
    <div className={styles['page']}>
      <PageHeading>{t(isGone ? 'workspace.gone' : 'app.failed.title')}</PageHeading>
      <ProblemNotice error={error} tone="warm" action={isGone ? null : <Button small onPress={() => void session.refetch()}>{t('app.retry')}</Button>} />
      <Link to="/">{t('app.notFound.home')}</Link>
    </div>
  );
}

const USABLE: ReadonlySet<Schema['SessionState']> = new Set(['running', 'suspended']);

function WorkspaceOf({ session, languages }: { session: Schema['SessionView']; languages: readonly Schema['LanguageView'][] }) {
  const workspace = useWorkspaceOf(session, languages);
  // Once it has been usable it stays on the screen: what was typed is there, also when the session ends meanwhile.
  return workspace ? (
    <WorkspaceContext value={workspace}>
      <WorkspaceView />
    </WorkspaceContext>
  ) : (
    <Waiting session={session} />
  );
}

function useWorkspaceOf(session: Schema['SessionView'], languages: readonly Schema['LanguageView'][]): Workspace | null {
  const [owned, setOwned] = useState<{ tabs: Tabs; runs: Runs; notebooks: Notebooks; services: LanguageServices; board: Simulation | null } | null>(null);
  const isUsable = USABLE.has(session.state);
  const [wasUsable, setWasUsable] = useState(isUsable);
  if (isUsable && !wasUsable) setWasUsable(true);
  const { id, image } = session;
  // Read once: which languages a server knows changes with the server.
  const known = useRef(languages);
  const spoken = session.language ?? '';
  useEffect(() => {
    if (!wasUsable) return undefined;
    const tabs = new Tabs(id);
    const made = { board: spoken === 'arduino' ? new Simulation() : null, tabs, runs: new Runs(id), notebooks: new Notebooks(id, spoken), services: new LanguageServices({ session: id, image, tabs }, known.current) };
    setOwned(made);
    return () => {
      made.tabs.leave();
      made.runs.leave();
      made.notebooks.leave();
      made.services.leave();
      made.board?.leave();
    };
  }, [id, image, spoken, wasUsable]);
  const language = languages.find((language) => language.id === session.language) ?? null;
  return owned && { session, language, ...owned };
}

function Waiting({ session }: { session: Schema['SessionView'] }) {
  const t = useText();
  const isOver = session.state === 'ended' || session.state === 'refused' || session.state === 'draining';
  return (
    <div className={styles['page']}>
      <PageHeading>{session.name}</PageHeading>
      <div>
        <SessionBadge state={session.state} />
      </div>
      <p>{t(isOver ? 'workspace.over' : 'workspace.waiting')}</p>
      {isOver && <p><EndingText session={session} /></p>}
      {session.queue && !isOver && <p><WaitText queue={session.queue} /></p>}
      <Link to="/">{t('app.notFound.home')}</Link>
    </div>
  );
}
