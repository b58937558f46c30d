import styles from './BarPlot.module.css';

export type Bar = { key: string; name: string; value: number; text: string };

const [WIDTH, HEIGHT] = [1_000, 200];
const LINES = [0, 0.5, 1];

/** Bars side by side. What it says stands in a table too, so readers are told only what it is of. */
export function BarPlot({ label, bars, most }: { label: string; bars: readonly Bar[]; most: string }) {
  const highest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const step = WIDTH / Math.max(bars.length, 7);
  return (
    <figure className={styles['plot']}>
      <figcaption className={styles['ends']}>
        <span>{label}</span>
        <span>{most}</span>
      </figcaption>
      <svg role="img" aria-label={label} viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} preserveAspectRatio="none">
        {LINES.map((at) => <line key={at} x1={0} x2={WIDTH} y1={HEIGHT * at} y2={HEIGHT * at} />)}
        {bars.map(({ key, name, value, text }, index) => {
          const height = (value / highest) * HEIGHT;
          return (
            <rect key={key} x={index * step + step * 0.12} y={HEIGHT - height} width={step * 0.76} height={height}>
              <title>{`${name}: ${text}`}</title>
            </rect>
          );
        })}
      </svg>
      <div aria-hidden="true" className={styles['ends']}>
        <span>{bars[0]?.name}</span>
        {bars.length > 1 && <span>{bars.at(-1)?.name}</span>}
      </div>
    </figure>
  );
}
