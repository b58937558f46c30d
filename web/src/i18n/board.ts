import { useIntl } from 'react-intl';
import { boardEn } from './en/board';
import { boardKo } from './ko/board';
import { CATALOGUES, type MessageId as SharedId, type Values } from './text';

/** What only the board says: it comes with its pane. */
export const boardTexts = { en: boardEn, ko: boardKo } as const;

export type MessageId = SharedId | keyof typeof boardEn;

Object.assign(CATALOGUES.en, boardTexts.en);
Object.assign(CATALOGUES.ko, boardTexts.ko);

/** The text of a message in the chosen language, for the board. */
export function useText(): (id: MessageId, values?: Values) => string {
  const intl = useIntl();
  return (id, values) => intl.formatMessage({ id }, values);
}
