import type { ReactNode } from 'react';
import { Icon } from './Icon';
import styles from './Notice.module.css';

export type Tone = 'plain' | 'warm' | 'danger';

/** Something to know now, with what to do about it. */
export function Notice({ tone = 'plain', children, action }: { tone?: Tone; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={[styles['notice'], styles[tone]].join(' ')} role={tone === 'danger' ? 'alert' : 'status'}>
      {tone !== 'plain' && <Icon name="warning" />}
      <div className={styles['text']}>{children}</div>
      {action}
    </div>
  );
}
