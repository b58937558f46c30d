import { useRef } from 'react';
import { useText, type MessageId } from '../../i18n/text';
import type { PressedKey } from '../../workspace/key-press';
import styles from './KeyRow.module.css';

const KEYS: readonly { shown: string; label?: MessageId; key: PressedKey }[] = [
  { shown: '⇥', label: 'keys.tab', key: 'tab' },
  ...['(', ')', '[', ']', '{', '}', '"', "'", ':', '=', '_', '#'].map((text) => ({ shown: text, key: { text } })),
  { shown: '←', label: 'keys.left', key: 'left' },
  { shown: '→', label: 'keys.right', key: 'right' },
  { shown: '↑', label: 'keys.up', key: 'up' },
  { shown: '↓', label: 'keys.down', key: 'down' },
  { shown: '↺', label: 'keys.undo', key: 'undo' },
];

/** Keys for code, where the keyboard on the screen has none. */
export function KeyRow() {
  const t = useText();
  const row = useRef<HTMLDivElement>(null);
  const press = (key: PressedKey) => {
    const place = row.current?.parentElement;
    if (place) void import('../../workspace/key-press').then(({ pressKey }) => { pressKey(place, key); });
  };
  return (
    <div ref={row} className={styles['keys']} role="toolbar" aria-label={t('keys.title')}>
      {KEYS.map(({ shown, label, key }) => (
        // The editor keeps the focus, or the keyboard on the screen would go away.
        <button key={shown} type="button" {...(label ? { 'aria-label': t(label) } : {})} onPointerDown={(event) => { event.preventDefault(); }} onClick={() => { press(key); }}>{shown}</button>
      ))}
    </div>
  );
}
