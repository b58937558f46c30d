import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { runListQuery, runWholeQuery } from '../../api/run-history';
import type { Schema } from '../../api/client';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { shown } from '../../workspace/names';
import { useWorkspace } from '../../workspace/workspace';
import { Ago } from '../Ago';
import { ProblemNotice } from '../ProblemNotice';
import { RunTold } from '../RunTold';
import { VerdictBadge } from '../VerdictBadge';
import { ShareDialog } from './ShareDialog';
import styles from './HistoryPane.module.css';

/** So many runs are looked at beside one another. */
const CHOSEN_MAX = 2;

/** What has run in this session, also from other pages and programs; two runs can be looked at side by side. */
export function HistoryPane({ isShown }: { isShown: boolean }) {
  const t = useText();
  const { session } = useWorkspace();
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({ ...runListQuery(session.id), enabled: isShown });
  const [chosen, setChosen] = useState<readonly string[]>([]);
  // Commands are what pages and tools do by themselves: listing files, moving them.
  const runs = data?.pages.flatMap(({ items }) => items).filter(({ mode }) => mode !== 'command') ?? [];
  const choose = (id: string) => { setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-CHOSEN_MAX)); };
  return (
    <div className={styles['pane']}>
      <ProblemNotice error={error} tone="warm" />
      {data && runs.length === 0 && <p className={styles['hint']}>{t('history.empty')}</p>}
      {runs.length > 0 && <p className={styles['hint']}>{t('history.hint')}</p>}
      <ul className={styles['list']} aria-label={t('history.title')}>
        {runs.map((run) => <Row key={run.id} run={run} isChosen={chosen.includes(run.id)} onChoose={() => { choose(run.id); }} />)}
      </ul>
      {hasNextPage && <Button small isPending={isFetchingNextPage} onPress={() => void fetchNextPage()}>{t('history.older')}</Button>}
      <div className={styles['beside']}>
        {chosen.map((id) => <One key={id} id={id} title={runs.find((run) => run.id === id)?.title ?? ''} />)}
      </div>
    </div>
  );
}

function Row({ run, isChosen, onChoose }: { run: Schema['RunSummary']; isChosen: boolean; onChoose: () => void }) {
  const t = useText();
  return (
    <li>
      <button type="button" className={styles['row']} aria-pressed={isChosen} onClick={onChoose}>
        <span className={styles['name']}>{run.title ? shown(run.title) : t('history.untitled')}</span>
        <span className={styles['ago']}><Ago time={run.created_at} /></span>
        <VerdictBadge verdict={run.verdict} />
      </button>
    </li>
  );
}

function One({ id, title }: { id: string; title: string }) {
  const t = useText();
  const { data, error } = useQuery(runWholeQuery(id));
  const [isSharing, setSharing] = useState(false);
  return (
    <article className={styles['one']} aria-label={shown(title)}>
      <header className={styles['head']}>
        <h2>{title === '' ? t('history.untitled') : shown(title)}</h2>
        <Button small onPress={() => { setSharing(true); }}>{t('share.open')}</Button>
      </header>
      <ProblemNotice error={error} tone="warm" />
      {data && <RunTold given={data.given} result={data.result} />}
      {isSharing && <ShareDialog run={id} onClose={() => { setSharing(false); }} />}
    </article>
  );
}
