import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useRef, useState, type KeyboardEvent } from 'react';
import { useIntl } from 'react-intl';
import type { Schema } from '../../api/client';
import { useText } from '../../i18n/console';
import { Ago } from '../Ago';
import { endingTip } from '../EndingText';
import { SessionBadge } from '../SessionBadge';
import { waitTip } from '../WaitText';
import look from '../../ui/look.module.css';
import styles from './SessionGrid.module.css';

type Session = Schema['SessionView'];

const ROW_PX = 44;
const HEADER_PX = 44;
/** Rows beyond the edges, so that quick scrolling shows no gaps. */
const OVERSCAN = 12;

type Props = {
  sessions: readonly Session[];
  /** How many there are to come, as far as it is known. */
  isWhole: boolean;
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  people: ReadonlyMap<string, string>;
  languages: ReadonlyMap<string, string>;
};

/** Sessions, however many: only the rows in sight are there. Arrows go from row to row, Space selects, Enter opens. */
export function SessionGrid({ sessions, isWhole, selected, onSelect, people, languages }: Props) {
  const t = useText();
  const frame = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const rows = useVirtualizer({
    count: sessions.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => sessions[index]?.id ?? index,
    overscan: OVERSCAN,
    scrollPaddingStart: HEADER_PX,
    useFlushSync: false,
  });
  const toggle = useToggle(selected, onSelect);
  const goTo = (index: number) => {
    const to = Math.max(0, Math.min(sessions.length - 1, index));
    setActive(to);
    rows.scrollToIndex(to);
    requestAnimationFrame(() => frame.current?.querySelector<HTMLElement>(`[data-row="${String(to)}"]`)?.focus({ preventScroll: true }));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((frame.current?.clientHeight ?? 0) / ROW_PX) - 1);
    const steps: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: sessions.length - 1 };
    const to = steps[event.key];
    const session = sessions[active];
    const row = event.target instanceof HTMLElement && event.target.dataset['row'] !== undefined ? event.target : null;
    if (to !== undefined) goTo(to);
    else if (event.key === ' ' && session && row) toggle(session.id);
    else if (event.key === 'Enter' && row) row.querySelector('a')?.click();
    else return;
    event.preventDefault();
  };
  const allSelected = sessions.length > 0 && sessions.every(({ id }) => selected.has(id));
  const isActive = Math.min(active, Math.max(0, sessions.length - 1));
  return (
    // eslint-disable-next-line jsx-a11y/interactive-supports-focus -- its rows have the focus, one at a time
    <div ref={frame} role="grid" aria-label={t('sessions.title')} aria-multiselectable="true" aria-rowcount={isWhole ? sessions.length + 1 : -1} className={[look['frame'], styles['frame']].join(' ')} onKeyDown={onKeyDown}>
      <Header allSelected={allSelected} onAll={() => { onSelect(new Set(allSelected ? [] : sessions.map(({ id }) => id))); }} />
      <div role="rowgroup" className={styles['body']} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start }) => {
          const session = sessions[index];
          return session ? (
            <Row key={key} session={session} index={index} top={start} isActive={index === isActive} isSelected={selected.has(session.id)} onToggle={toggle} onFocus={setActive} owner={people.get(session.owner) ?? session.owner} language={languages.get(session.language ?? '') ?? session.language ?? ''} />
          ) : null;
        })}
      </div>
    </div>
  );
}

/** The same function at every drawing, so that rows that did not change are not drawn again. */
function useToggle(selected: ReadonlySet<string>, onSelect: (selected: ReadonlySet<string>) => void): (id: string) => void {
  const now = useRef({ selected, onSelect });
  now.current = { selected, onSelect };
  const [toggle] = useState(() => (id: string) => {
    const next = new Set(now.current.selected);
    if (!next.delete(id)) next.add(id);
    now.current.onSelect(next);
  });
  return toggle;
}

function Header({ allSelected, onAll }: { allSelected: boolean; onAll: () => void }) {
  const t = useText();
  return (
    <div role="rowgroup">
      <div role="row" aria-rowindex={1} className={[look['titles'], styles['row'], styles['header']].join(' ')}>
        <span role="columnheader" className={styles['check']}>
          <input type="checkbox" aria-label={t('sessions.selectAll')} checked={allSelected} onChange={onAll} />
        </span>
        <span role="columnheader">{t('home.col.name')}</span>
        <span role="columnheader" className={styles['middle']}>{t('sessions.owner')}</span>
        <span role="columnheader" className={styles['middle']}>{t('home.col.language')}</span>
        <span role="columnheader" className={styles['wide']}>{t('sessions.image')}</span>
        <span role="columnheader">{t('home.col.state')}</span>
        <span role="columnheader" className={styles['middle']}>{t('home.col.created')}</span>
        <span role="columnheader" className={styles['wide']}>{t('home.col.ends')}</span>
        <span role="columnheader" className={styles['wide']}>{t('sessions.runs')}</span>
      </div>
    </div>
  );
}

type RowProps = { session: Session; index: number; top: number; isActive: boolean; isSelected: boolean; onToggle: (id: string) => void; onFocus: (index: number) => void; owner: string; language: string };

const Row = memo(function Row({ session, index, top, isActive, isSelected, onToggle, onFocus, owner, language }: RowProps) {
  const t = useText();
  const intl = useIntl();
  const tabIndex = isActive ? 0 : -1;
  return (
    <div role="row" data-row={index} aria-rowindex={index + 2} aria-selected={isSelected} tabIndex={tabIndex} className={[look['line'], styles['row'], styles['item']].join(' ')} style={{ transform: `translateY(${String(top)}px)` }} onFocus={() => { onFocus(index); }}>
      <span role="gridcell" className={styles['check']}>
        <input type="checkbox" tabIndex={tabIndex} aria-label={t('sessions.select', { name: session.name })} checked={isSelected} onChange={() => { onToggle(session.id); }} />
      </span>
      <span role="gridcell">
        <Link to="/sessions/$session" params={{ session: session.id }} preload={false} tabIndex={tabIndex} className={look['name'] ?? ''}>{session.name}</Link>
      </span>
      <span role="gridcell" className={styles['middle']}>{owner}</span>
      <span role="gridcell" className={styles['middle']}>{language}</span>
      <span role="gridcell" className={[styles['wide'], styles['soft']].join(' ')}>{session.image}</span>
      <span role="gridcell" title={(session.queue ? waitTip(session.queue, t, intl) : endingTip(session, t, intl)) || undefined}><SessionBadge state={session.state} /></span>
      <span role="gridcell" className={[styles['middle'], styles['soft']].join(' ')}><Ago time={session.created_at} /></span>
      <span role="gridcell" className={[styles['wide'], styles['soft']].join(' ')}>{session.ends_at && <Ago time={session.ends_at} />}</span>
      <span role="gridcell" className={[styles['wide'], styles['soft']].join(' ')}>{session.runs_live ? String(session.runs_live) : ''}</span>
    </div>
  );
});
