import type { ReactNode } from 'react';
import styles from './DataTable.module.css';

export type Column<Row> = {
  id: string;
  title: string;
  cell: (row: Row) => ReactNode;
  /** `number` stands to the right; `wide` is left out on a phone. */
  kind?: 'number' | 'wide' | 'wide-number';
};

type Props<Row> = { label: string; columns: readonly Column<Row>[]; rows: readonly Row[]; rowKey: (row: Row) => string; isGone?: (row: Row) => boolean };

/** A list of things that all fit a page. The first column names the row. */
export function DataTable<Row>({ label, columns, rows, rowKey, isGone }: Props<Row>) {
  const look = (kind: Column<Row>['kind']) => [kind?.includes('number') ? styles['number'] : '', kind?.startsWith('wide') ? styles['wide'] : ''].join(' ');
  return (
    // Wider than a phone it scrolls by itself, by the keyboard too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard
    <div className={styles['frame']} role="region" aria-label={label} tabIndex={0}>
      <table className={styles['table']}>
        <thead>
          <tr>
            {columns.map(({ id, title, kind }) => (title === '' ? <td key={id} className={look(kind)} /> : <th key={id} scope="col" className={look(kind)}>{title}</th>))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className={isGone?.(row) ? styles['gone'] : ''}>
              {columns.map(({ id, cell, kind }, index) => (index === 0 ? <th key={id} scope="row" className={look(kind)}>{cell(row)}</th> : <td key={id} className={look(kind)}>{cell(row)}</td>))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
