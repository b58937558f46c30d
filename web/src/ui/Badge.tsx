import styles from './Badge.module.css';

export type BadgeTone = 'good' | 'busy' | 'still' | 'bad';

export function Badge({ tone, children }: { tone: BadgeTone; children: string }) {
  return <span className={[styles['badge'], styles[tone]].join(' ')}>{children}</span>;
}
