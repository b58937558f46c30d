import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { useIntl } from 'react-intl';
import { projectsQuery } from '../api/admin-queries';
import { imagesQuery, languagesQuery } from '../api/queries';
import { sessionListQuery } from '../api/session-list';
import { EndSessionsDialog } from '../components/console/EndSessionsDialog';
import { SessionFilters } from '../components/console/SessionFilters';
import { SessionGrid } from '../components/console/SessionGrid';
import styles from '../components/console/console.module.css';
import { PlanTabs } from '../components/plan/PlanTabs';
import { ProblemNotice } from '../components/ProblemNotice';
import { useLiveSessions } from '../hooks/use-live-sessions';
import { usePeople } from '../hooks/use-people';
import { useText } from '../i18n/console';
import { Button } from '../ui/Button';
import { PageHeading } from '../ui/PageHeading';

const NOBODY: ReadonlySet<string> = new Set();

/** Every session that one may see. */
export function SessionsPage() {
  const t = useText();
  const search = useSearch({ from: '/signed-in/sessions' });
  const navigate = useNavigate();
  const list = useWholeList(search);
  const { people, languages, images, projects, names } = useNames();
  const [selected, setSelected] = useState(NOBODY);
  const [isEnding, setEnding] = useState(false);
  useLiveSessions();
  const chosen = useMemo(() => list.sessions.filter(({ id, allowed_actions }) => selected.has(id) && allowed_actions?.includes('end')), [list.sessions, selected]);
  const isFiltered = Object.values(search).some((value) => value !== undefined);
  return (
    <div className={styles['filled']}>
      <PlanTabs />
      <div className={styles['full']}>
        <div className={styles['head']}>
          <div className={styles['title']}>
            <PageHeading>{t('sessions.title')}</PageHeading>
            <Count count={list.sessions.length} isWhole={list.isWhole} />
          </div>
          <Button look="danger" isDisabled={chosen.length === 0} onPress={() => { setEnding(true); }}>{chosen.length > 0 ? t('sessions.end', { count: chosen.length }) : t('sessions.end.none')}</Button>
        </div>
        <SessionFilters search={search} people={people} languages={languages} images={images} projects={projects} onChange={(search) => { setSelected(NOBODY); void navigate({ to: '/sessions', search, replace: true }); }} />
        <ProblemNotice error={list.error} action={<Button small onPress={list.again}>{t('app.retry')}</Button>} />
        {list.sessions.length > 0 && <SessionGrid sessions={list.sessions} isWhole={list.isWhole} selected={selected} onSelect={setSelected} people={names.people} languages={names.languages} />}
        {list.isEmpty && (
          <div className={styles['empty']}>
            <p>{t(isFiltered ? 'sessions.none.filter' : 'sessions.none')}</p>
            {!isFiltered && <Link to="/">{t('app.notFound.home')}</Link>}
          </div>
        )}
        {list.isPending && <p className={styles['fine']}>{t('app.loading')}</p>}
        {isEnding && chosen.length > 0 && <EndSessionsDialog sessions={chosen} people={names.people} onClose={() => { setEnding(false); }} onEnded={() => { setEnding(false); setSelected(NOBODY); }} />}
      </div>
    </div>
  );
}

function Count({ count, isWhole }: { count: number; isWhole: boolean }) {
  const t = useText();
  const intl = useIntl();
  return <span className={styles['fine']} role="status">{t(isWhole ? 'sessions.count' : 'sessions.count.more', { count, shown: intl.formatNumber(count) })}</span>;
}

/** The list, whose pages come one after another by themselves. */
function useWholeList(search: Parameters<typeof sessionListQuery>[0]) {
  // What happened while no page of sessions was open was heard by nobody.
  const list = useInfiniteQuery({ ...sessionListQuery(search), refetchOnMount: 'always' });
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = list;
  useEffect(() => {
    // Asking for more would give up what is asked for anew.
    if (data && hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [data, hasNextPage, isFetching, isError, fetchNextPage]);
  const sessions = useMemo(() => list.data?.pages.flatMap(({ items }) => items) ?? [], [list.data]);
  const isWhole = !list.data?.pages.at(-1)?.next_cursor;
  return { sessions, isWhole, isEmpty: list.data !== undefined && sessions.length === 0, error: list.error, isPending: list.isPending, again: () => void list.refetch() };
}

function useNames() {
  const people = usePeople();
  const { data: languages = [] } = useQuery(languagesQuery);
  const { data: images = [] } = useQuery(imagesQuery);
  const { data: projects = [] } = useQuery(projectsQuery);
  const names = useMemo(() => ({ people: new Map(people.map(({ id, name }) => [id, name])), languages: new Map(languages.map(({ id, name }) => [id, name])) }), [people, languages]);
  return { people, languages, images, projects, names };
}
