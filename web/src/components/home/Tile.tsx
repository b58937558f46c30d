import { Link, type LinkProps } from '@tanstack/react-router';
import styles from './home.module.css';

type TileTone = 'good' | 'warm' | 'bad';
type Props = { label: string; value: string; note?: string | null | undefined; tone?: TileTone; to: NonNullable<LinkProps['to']>; search?: Record<string, unknown> };

/** A number that matters, and the way to what it is made of. */
export function Tile({ label, value, note, tone = 'good', to, search }: Props) {
  return (
    <Link to={to} {...(search ? { search } : {})} className={[styles['tile'], styles[tone]].join(' ')}>
      <span className={styles['label']}>{label}</span>
      <span className={styles['value']}>{value}</span>
      {note && <span className={styles['note']}>{note}</span>}
    </Link>
  );
}
