import type { ReactNode } from 'react';
import styles from './console.module.css';

/** What is known, a name and a value a line; what is not known is left out. */
export function Facts({ facts }: { facts: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <dl className={styles['facts']}>
      {facts.flatMap(([label, value]) => (value === null || value === undefined || value === '' ? [] : [<dt key={label}>{label}</dt>, <dd key={`${label}.`}>{value}</dd>]))}
    </dl>
  );
}
