import { Button as AriaButton, type ButtonProps } from 'react-aria-components';
import { Icon, type IconName } from './Icon';
import styles from './Button.module.css';

type Look = 'primary' | 'soft' | 'quiet' | 'danger';

type Shared = Omit<ButtonProps, 'className' | 'style' | 'children' | 'isPending'>;
type Props = Shared & { look?: Look; icon?: IconName; children: string; small?: boolean; isPending?: boolean };

/** While it is pending it keeps the focus and does nothing. */
export function Button({ look = 'soft', icon, children, small, isPending, ...rest }: Props) {
  const still: Shared = isPending ? { type: 'button', onPress: () => undefined } : {};
  return (
    <AriaButton {...rest} {...still} className={[styles['button'], styles[look], small ? styles['small'] : ''].join(' ')}>
      {isPending && <span aria-hidden="true" className={styles['spinner']} />}
      {icon && !isPending && <Icon name={icon} />}
      <span>{children}</span>
    </AriaButton>
  );
}

type IconProps = Shared & { icon: IconName; label: string };

/** A button that shows no word; `label` is what is read out, and what the pointer is told. */
export function IconButton({ icon, label, ...rest }: IconProps) {
  return (
    <AriaButton {...rest} aria-label={label} className={[styles['button'], styles['quiet'], styles['square']].join(' ')} render={(props) => <button {...props} title={label} />}>
      <Icon name={icon} />
    </AriaButton>
  );
}
