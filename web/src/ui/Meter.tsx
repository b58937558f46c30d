import { useId } from 'react';
import styles from './Meter.module.css';

type Props = { label: string; value: number; max: number; text: string };

/** How much of something is used. */
export function Meter({ label, value, max, text }: Props) {
  const id = useId();
  const share = max > 0 ? Math.min(1, value / max) : 0;
  return (
    <div>
      <div className={styles['line']}>
        <span id={id}>{label}</span>
        <span>{text}</span>
      </div>
      <div className={styles['bar']} role="meter" aria-labelledby={id} aria-valuemin={0} aria-valuemax={max} aria-valuenow={Math.min(value, max)} aria-valuetext={text}>
        <span className={[styles['used'], share > 0.9 ? styles['full'] : ''].join(' ')} style={{ width: `${String(share * 100)}%` }} />
      </div>
    </div>
  );
}
