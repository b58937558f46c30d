import { Button } from 'react-aria-components';
import type { Schema } from '../api/client';
import styles from './LanguageCards.module.css';

type Props = { languages: readonly Schema['LanguageView'][]; isDisabled: boolean; onChoose: (id: string) => void };

/** One button for each language that can run here. */
export function LanguageCards({ languages, isDisabled, onChoose }: Props) {
  return (
    <ul className={styles['cards']}>
      {languages.map(({ id, name, version }) => (
        <li key={id}>
          <Button className={styles['card'] ?? ''} isDisabled={isDisabled} onPress={() => { onChoose(id); }}>
            <span className={styles['name']}>{name}</span>
            <span className={styles['version']}>{short(version)}</span>
          </Button>
        </li>
      ))}
    </ul>
  );
}

/** Compilers say a lot; the first number with a dot is their version. */
function short(version: string | null | undefined): string {
  return version?.match(/\d+(\.\d+)+/)?.[0] ?? '';
}
