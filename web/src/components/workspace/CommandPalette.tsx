import { Autocomplete, Input, Menu, MenuItem, SearchField, useFilter } from 'react-aria-components';
import { useText } from '../../i18n/text';
import { Dialog } from '../../ui/Dialog';
import { Icon, type IconName } from '../../ui/Icon';
import styles from './CommandPalette.module.css';

export type Command = { id: string; label: string; icon: IconName; keys?: string; act: () => void };

/** Everything that can be done in the workspace, found by a few letters of its name. */
export function CommandPalette({ commands, onClose }: { commands: readonly Command[]; onClose: () => void }) {
  const t = useText();
  const { contains } = useFilter({ sensitivity: 'base' });
  const act = (id: string | number) => {
    onClose();
    commands.find((command) => command.id === id)?.act();
  };
  return (
    <Dialog title={t('palette.title')} isOpen onClose={onClose}>
      <div className={styles['box']}>
        <Autocomplete filter={(text, input) => input.split(/\s+/).every((word) => contains(text, word))}>
          {/* It was opened to be typed into. */}
          {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
          <SearchField aria-label={t('palette.label')} autoFocus className={styles['field'] ?? ''}>
            <Input className={styles['input'] ?? ''} placeholder={t('palette.label')} />
          </SearchField>
          <Menu aria-label={t('palette.title')} className={styles['list'] ?? ''} onAction={act} renderEmptyState={() => <p className={styles['none']}>{t('palette.none')}</p>}>
            {commands.map(({ id, label, icon, keys }) => (
              <MenuItem key={id} id={id} textValue={label} className={styles['item'] ?? ''}>
                <Icon name={icon} />
                <span className={styles['label']}>{label}</span>
                {keys !== undefined && <kbd className={styles['keys']}>{keys}</kbd>}
              </MenuItem>
            ))}
          </Menu>
        </Autocomplete>
      </div>
    </Dialog>
  );
}
