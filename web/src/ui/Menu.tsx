import type { ReactNode } from 'react';
import { Menu as AriaMenu, MenuItem, MenuTrigger, Popover, type Key, type Selection } from 'react-aria-components';
import { Icon, type IconName } from './Icon';
import styles from './Menu.module.css';

export type Choice<Id extends string> = { id: Id; label: string; icon?: IconName; danger?: boolean; lang?: string };

type Props<Id extends string> = {
  /** The button that opens it. */
  trigger: ReactNode;
  label: string;
  choices: readonly Choice<Id>[];
  chosen?: Id;
  onChoose: (id: Id) => void;
};

export function Menu<Id extends string>({ trigger, label, choices, chosen, onChoose }: Props<Id>) {
  const act = (key: Key) => {
    const choice = choices.find(({ id }) => id === key);
    if (choice) onChoose(choice.id);
  };
  const selection: { selectionMode?: 'single'; selectedKeys?: Selection } =
    chosen === undefined ? {} : { selectionMode: 'single', selectedKeys: new Set([chosen]) };
  return (
    <MenuTrigger>
      {trigger}
      <Popover className={styles['popover'] ?? ''} placement="bottom end">
        <AriaMenu aria-label={label} className={styles['menu'] ?? ''} onAction={act} {...selection}>
          {choices.map(({ id, label, icon, danger, lang }) => (
            <MenuItem key={id} id={id} textValue={label} className={[styles['item'], danger ? styles['danger'] : ''].join(' ')}>
              {icon && <Icon name={icon} />}
              <span lang={lang}>{label}</span>
              {chosen === id && <Icon name="check" size={16} />}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
