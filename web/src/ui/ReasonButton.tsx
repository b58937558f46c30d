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
  const may = reason === null;
  // The same element either way: what has the focus keeps it when its reason comes or goes.
  return (
    <span className={styles[may ? 'open' : 'refused']} title={reason ?? undefined}>
      <Button {...rest} {...(may ? {} : { 'aria-describedby': id })} onPress={() => { if (may) onPress(); else onRefused(reason); }}>{children}</Button>
      {!may && <span id={id} hidden>{reason}</span>}
    </span>
  );
}
