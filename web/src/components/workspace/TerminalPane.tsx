import { useRef, useState } from 'react';
import { Button as AriaButton } from 'react-aria-components';
import { useText } from '../../i18n/text';
import { IconButton } from '../../ui/Button';
import { shown } from '../../workspace/names';
import { TerminalScreen } from './TerminalScreen';
import styles from './TerminalPane.module.css';

type One = { key: number; title: string };

/** More shells than this are not held from one page. */
const TERMINALS_MAX = 8;
const TITLE_CHARS_MAX = 40;

/** Shells in the workspace. The first begins when it is looked at; all end with the page. */
export function TerminalPane({ isShown }: { isShown: boolean }) {
  const t = useText();
  const [terminals, setTerminals] = useState<readonly One[]>([{ key: 1, title: '' }]);
  const [active, setActive] = useState(1);
  const keys = useRef(1);
  const add = () => {
    keys.current += 1;
    setTerminals([...terminals, { key: keys.current, title: '' }]);
    setActive(keys.current);
  };
  const close = (key: number) => {
    const at = terminals.findIndex((one) => one.key === key);
    const left = terminals.filter((one) => one.key !== key);
    setTerminals(left);
    if (active === key) setActive((left[at] ?? left[at - 1])?.key ?? 0);
  };
  // A program gives its terminal a title: whatever it says, it is a short name and no more.
  const title = (key: number, said: string) => {
    setTerminals((all) => all.map((one) => (one.key === key ? { key, title: shown(said).trim().slice(0, TITLE_CHARS_MAX) } : one)));
  };
  return (
    <div className={styles['pane']}>
      <div className={styles['tabs']}>
        {terminals.map(({ key, title }, at) => {
          const name = `${String(at + 1)}${title === '' ? '' : `: ${title}`}`;
          return (
            <span key={key} className={[styles['tab'], key === active ? styles['active'] : ''].join(' ')}>
              <AriaButton className={styles['open'] ?? ''} aria-current={key === active} onPress={() => { setActive(key); }}>{t('terminal.named', { name })}</AriaButton>
              <IconButton icon="close" label={t('terminal.close', { name })} onPress={() => { close(key); }} />
            </span>
          );
        })}
        <IconButton icon="add" label={t('terminal.new')} isDisabled={terminals.length >= TERMINALS_MAX} onPress={add} />
      </div>
      {terminals.length === 0 && <p className={styles['note']}>{t('terminal.none')}</p>}
      {terminals.map(({ key }) => (
        <div key={key} className={styles['one']} hidden={key !== active}>
          <TerminalScreen isShown={isShown && key === active} onTitle={(said) => { title(key, said); }} />
        </div>
      ))}
    </div>
  );
}
