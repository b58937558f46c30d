import type { ReactNode } from 'react';
import look from './look.module.css';
import styles from './Table.module.css';

export type Column<Row> = {
  id: string;
  /** None over what can be done with a row. */
  title: string;
  cell: (row: Row) => ReactNode;
  /** `number` stands to the right; `wide` is left out on a phone, `widest` on a tablet, too. */
  kind?: 'number' | 'wide' | 'wide-number' | 'widest';
};

type Props<Row> = { label: string; columns: readonly Column<Row>[]; rows: readonly Row[]; rowKey: (row: Row) => string; isGone?: (row: Row) => boolean };

/** A list of things that all fit a page. The first column names the row. */
export function Table<Row>({ label, columns, rows, rowKey, isGone }: Props<Row>) {
  const kindOf = ({ kind, title }: Column<Row>) => [kind?.includes('number') ? styles['number'] : '', kind?.startsWith('wide') ? styles['wide'] : '', kind === 'widest' ? styles['widest'] : '', title === '' ? styles['acts'] : ''].join(' ');
  return (
    // Wider than a phone it scrolls by itself, by the keyboard too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard
    <div className={[look['frame'], styles['scrolling']].join(' ')} role="region" aria-label={label} tabIndex={0}>
      <table className={styles['table']}>
        <thead>
          <tr className={look['titles']}>
            {columns.map((column) => (column.title === '' ? <td key={column.id} className={kindOf(column)} /> : <th key={column.id} scope="col" className={kindOf(column)}>{column.title}</th>))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className={[look['line'], isGone?.(row) ? styles['gone'] : ''].join(' ')}>
              {columns.map((column, index) => (index === 0 ? <th key={column.id} scope="row" className={kindOf(column)}>{column.cell(row)}</th> : <td key={column.id} className={kindOf(column)}>{column.cell(row)}</td>))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
