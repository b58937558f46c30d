import { useId } from 'react';
import { Button } from './Button';
import type { IconName } from './Icon';
import styles from './ReasonButton.module.css';

type Props = {
  children: string;
  look?: 'primary' | 'soft' | 'danger';
  icon?: IconName;
  isPending?: boolean;
  /** Why it cannot be done now; it can where there is no reason. */
  reason: string | null;
  onPress: () => void;
  /** Told when somebody presses although it cannot be done. */
  onRefused: (reason: string) => void;
};

/** A button that says why it does nothing: to the pointer, to readers, and to whoever presses it. */
export function ReasonButton({ reason, onPress, onRefused, children, ...rest }: Props) {
  const id = useId();
  if (reason === null) return <Button {...rest} onPress={onPress}>{children}</Button>;
  return (
    <span className={styles['refused']} title={reason}>
      <Button {...rest} aria-describedby={id} onPress={() => { onRefused(reason); }}>{children}</Button>
      <span id={id} hidden>{reason}</span>
    </span>
  );
}
