import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { ROWS_MAX, searchQuery, type SearchIn } from '../../api/search';
import { useText } from '../../i18n/text';
import { Button } from '../../ui/Button';
import { TextField } from '../../ui/TextField';
import { shown } from '../../workspace/names';
import { useWorkspace } from '../../workspace/workspace';
import { ProblemNotice } from '../ProblemNotice';
import styles from './FileSearch.module.css';

const WHERE = ['names', 'contents'] as const satisfies readonly SearchIn[];

/** Finds files by what they are called or by what is in them. */
export function FileSearch({ onOpen }: { onOpen: (path: string, line: number | null) => void }) {
  const t = useText();
  const { session } = useWorkspace();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState<{ where: SearchIn; text: string }>({ where: 'names', text: '' });
  const { data, error, isFetching } = useQuery(searchQuery(session.id, asked.where, asked.text));
  const search = (where: SearchIn) => { setAsked({ where, text: text.trim() }); };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    search(asked.where);
  };
  return (
    <search className={styles['search']}>
      <form onSubmit={submit}>
        {/* It was opened to be typed into. */}
        {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
        <TextField label={t('search.label')} value={text} onChange={setText} autoFocus type="search" />
        <div className={styles['where']} role="group" aria-label={t('search.where')}>
          {WHERE.map((where) => (
            <Button key={where} small type="button" look={asked.where === where ? 'soft' : 'quiet'} aria-pressed={asked.where === where} onPress={() => { search(where); }}>{t(`search.${where}`)}</Button>
          ))}
        </div>
      </form>
      <ProblemNotice error={error} tone="warm" />
      <p className={styles['count']} role="status">
        {isFetching ? t('search.working') : data && t(data.length > ROWS_MAX ? 'search.more' : 'search.count', { count: Math.min(data.length, ROWS_MAX) })}
      </p>
      <ul className={styles['rows']}>
        {data?.slice(0, ROWS_MAX).map(({ path, line, text }, at) => (
          // The same line stands in a list once, the same path not.
          <li key={`${path} ${String(line ?? at)}`}>
            <button type="button" className={styles['row']} onClick={() => { onOpen(path, line); }}>
              <span className={styles['path']}>{line === null ? shown(path) : `${shown(path)}:${String(line)}`}</span>
              {text !== '' && <code className={styles['text']}>{shown(text.trim())}</code>}
            </button>
          </li>
        ))}
      </ul>
    </search>
  );
}
