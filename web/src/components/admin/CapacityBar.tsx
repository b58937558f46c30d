import { useText } from '../../i18n/console';
import styles from './CapacityBar.module.css';

export type Piece = { id: string; name: string; amount: number };
type Props = { label: string; pieces: readonly Piece[]; all: number; text: (amount: number) => string };

/** Pieces drawn one by one; with more of them than this, all that are smaller are one. */
const PIECES_MAX = 200;

/** How much of a node is asked for, a piece for each session. */
export function CapacityBar({ label, pieces, all, text }: Props) {
  const t = useText();
  const used = pieces.reduce((sum, { amount }) => sum + amount, 0);
  const shown = [...pieces].sort((one, other) => other.amount - one.amount).slice(0, PIECES_MAX);
  return (
    <div>
      <div className={styles['line']}>
        <span>{label}</span>
        <span>{t('nodes.of', { used: text(used), all: text(all) })}</span>
      </div>
      <div className={styles['bar']} role="img" aria-label={t('nodes.of', { used: text(used), all: text(all) })}>
        {shown.map(({ id, name, amount }) => (
          <span key={id} className={styles['piece']} style={{ width: `${String((amount / Math.max(all, used)) * 100)}%` }} title={`${name}: ${text(amount)}`} />
        ))}
      </div>
    </div>
  );
}
