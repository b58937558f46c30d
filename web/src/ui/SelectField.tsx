import { useId } from 'react';
import styles from './TextField.module.css';

type Option = { value: string; label: string };

type Props = { label: string; name?: string; value?: string; defaultValue?: string; options: readonly Option[]; hint?: string; onChange?: (value: string) => void };

/** The browser's own list to choose from: it is at home on every screen and with every reader. */
export function SelectField({ label, options, hint, onChange, ...rest }: Props) {
  const id = useId();
  return (
    <div className={styles['field']}>
      <label htmlFor={id} className={styles['label']}>{label}</label>
      <select {...rest} id={id} className={styles['input']} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(event) => onChange?.(event.target.value)}>
        {options.map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
      </select>
      {hint && <span id={`${id}-hint`} className={styles['hint']}>{hint}</span>}
    </div>
  );
}
