import { useEffect, useState } from 'react';
import { Button as AriaButton } from 'react-aria-components';
import { useText } from '../../i18n/text';
import { downloadFile } from '../../api/files';
import { useLoaded } from '../../hooks/use-loaded';
import type { SaveState } from '../../workspace/autosave';
import { baseOf, extensionOf, shown } from '../../workspace/names';
import type { Notebook } from '../../workspace/notebook';
import type { Tab } from '../../workspace/tabs';
import { useNotebook, useTabs, useWorkspace } from '../../workspace/workspace';
import { Button, IconButton } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import { ProblemText } from '../ProblemText';
import { FilePicture } from './FilePicture';
import { KeyRow } from './KeyRow';
import styles from './EditorPane.module.css';

/** What could not be read is read again by itself. */
const AGAIN_MS = 5_000;

const loadEditor = async () => (await import('./Editor')).Editor;
const loadLanguageLine = async () => (await import('./LanguageLine')).LanguageLine;
const loadNotebook = async () => (await import('./NotebookPane')).NotebookPane;

export function EditorPane() {
  const t = useText();
  const snapshot = useTabs();
  const tab = snapshot.tabs.find(({ path }) => path === snapshot.active);
  return (
    <section className={styles['pane']} aria-label={t('editor.region')}>
      {snapshot.tabs.length > 0 && (
        <div className={styles['tabs']}>
          {snapshot.tabs.map((one) => (
            <TabHandle key={one.path} tab={one} isActive={one.path === snapshot.active} />
          ))}
        </div>
      )}
      {tab && <Conflict tab={tab} />}
      <div className={styles['body']}>
        {!tab && <p className={styles['empty']}>{t('editor.empty')}</p>}
        {tab?.state.kind === 'unreadable' && <Unreadable tab={tab} />}
        <Written tab={tab?.state.kind === 'unreadable' ? undefined : tab} />
      </div>
      {tab && <Service path={tab.path} />}
      <KeyRow />
    </section>
  );
}

function Service({ path }: { path: string }) {
  const LanguageLine = useLoaded(loadLanguageLine);
  const service = useWorkspace().services.of(path);
  return LanguageLine && service && <LanguageLine service={service} path={path} />;
}

/** A notebook as its cells, any other text as itself. The editor stays, out of sight: it remembers what can be undone. */
function Written({ tab }: { tab: Tab | undefined }) {
  const t = useText();
  const { tabs } = useTabs();
  const Editor = useLoaded(loadEditor);
  const notebook = useNotebook(tab);
  const isNotebook = tab !== undefined && extensionOf(tab.path) === 'ipynb' && (notebook !== null || tab.text === null);
  const [path, setPath] = useState<string | null>(null);
  if (tab && !isNotebook && tab.path !== path) setPath(tab.path);
  const text = tabs.find((one) => one.path === path && one.state.kind !== 'unreadable');
  const isLoading = tab !== undefined && (isNotebook ? notebook === null : Editor === null);
  return (
    <>
      {isLoading && <p className={styles['empty']}>{t('app.loading')}</p>}
      {isNotebook && notebook && <Cells key={`${tab.path} ${String(tab.version)}`} notebook={notebook} path={tab.path} />}
      {Editor && text && (
        <div className={styles['written']} hidden={text.path !== tab?.path}>
          {extensionOf(text.path) === 'ipynb' && <Notice tone="warm">{t('notebook.invalid')}</Notice>}
          <Editor tab={text} onEdit={(latest) => { text.file.edit(latest); }} />
        </div>
      )}
    </>
  );
}

function Cells({ notebook, path }: { notebook: Notebook; path: string }) {
  const t = useText();
  const NotebookPane = useLoaded(loadNotebook);
  return NotebookPane ? <NotebookPane notebook={notebook} path={path} /> : <p className={styles['empty']}>{t('app.loading')}</p>;
}

function TabHandle({ tab, isActive }: { tab: Tab; isActive: boolean }) {
  const t = useText();
  const { tabs } = useWorkspace();
  const name = shown(baseOf(tab.path));
  const isUnsaved = tab.state.kind !== 'saved' && tab.state.kind !== 'loading' && tab.state.kind !== 'unreadable';
  return (
    <div className={[styles['tab'], isActive ? styles['active'] : ''].join(' ')}>
      <AriaButton className={styles['open'] ?? ''} aria-current={isActive} onPress={() => { tabs.open(tab.path); }}>
        {name}
        {isUnsaved && <span className={styles['dot']} aria-label={t('save.dirty')} role="img" />}
      </AriaButton>
      <IconButton icon="close" label={t('editor.close', { file: name })} onPress={() => void tabs.close(tab.path)} />
    </div>
  );
}

function Conflict({ tab }: { tab: Tab }) {
  const t = useText();
  const { tabs } = useWorkspace();
  if (tab.state.kind !== 'conflict') return null;
  const actions = (
    <>
      <Button small onPress={() => { tabs.resolve(tab.path, 'mine'); }}>{t('save.conflict.mine')}</Button>
      <Button small onPress={() => { tabs.resolve(tab.path, 'theirs'); }}>{t('save.conflict.theirs')}</Button>
    </>
  );
  return <Notice tone="warm" action={actions}>{t('save.conflict', { file: shown(baseOf(tab.path)) })}</Notice>;
}

function Unreadable({ tab }: { tab: Tab }) {
  const t = useText();
  const { session, tabs } = useWorkspace();
  const { path } = tab;
  const isFailed = tab.state.kind === 'unreadable' && tab.state.why === 'failed';
  useEffect(() => {
    if (!isFailed) return undefined;
    const timer = setInterval(() => void tabs.retry(path), AGAIN_MS);
    return () => { clearInterval(timer); };
  }, [isFailed, tabs, path]);
  if (tab.state.kind !== 'unreadable') return null;
  const { state } = tab;
  const { why } = state;
  return (
    <div className={styles['empty']}>
      {why === 'binary' && <FilePicture path={tab.path} />}
      <p>{state.why === 'failed' ? <ProblemText error={state.error} next="left-out" /> : t(`editor.${state.why}`)}</p>
      {why === 'failed' && <Button look="primary" onPress={() => void tabs.retry(tab.path)}>{t('app.retry')}</Button>}
      {(why === 'binary' || why === 'large') && <Button icon="download" onPress={() => void downloadFile(session.id, tab.path, baseOf(tab.path))}>{t('files.download')}</Button>}
      {why === 'gone' && <Button onPress={() => { tabs.drop(tab.path); }}>{t('app.close')}</Button>}
    </div>
  );
}

/** What became of the keystrokes of the file that is looked at. */
export function SaveLine() {
  const t = useText();
  const { tabs, active } = useTabs();
  const state = tabs.find(({ path }) => path === active)?.state;
  if (!state) return null;
  return (
    <span className={[styles['save'], state.kind === 'failed' || state.kind === 'conflict' ? styles['unsaved'] : ''].join(' ')} role="status">
      {state.kind === 'failed' ? <>{t('save.failed')} <ProblemText error={state.error} next="left-out" /></> : saveText(state, t)}
    </span>
  );
}

function saveText(state: Exclude<SaveState, { kind: 'failed' }>, t: ReturnType<typeof useText>): string {
  switch (state.kind) {
    case 'loading':
    case 'unreadable':
      return '';
    default:
      return t(`save.${state.kind === 'conflict' ? 'dirty' : state.kind}`);
  }
}
