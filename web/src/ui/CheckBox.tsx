import styles from './CheckBox.module.css';

type Props = { children: string; checked?: boolean; defaultChecked?: boolean; name?: string; onChange?: (checked: boolean) => void };

export function CheckBox({ children, onChange, ...rest }: Props) {
  return (
    <label className={styles['box']}>
      <input type="checkbox" {...rest} onChange={(event) => onChange?.(event.target.checked)} />
      <span>{children}</span>
    </label>
  );
}
