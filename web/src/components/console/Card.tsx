import { useId, type ReactNode } from 'react';
import styles from './console.module.css';

export function Card({ title, acts, children }: { title: string; acts?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className={styles['card']} aria-labelledby={id}>
      <div className={styles['head']}>
        <h2 id={id}>{title}</h2>
        {acts}
      </div>
      {children}
    </section>
  );
}
