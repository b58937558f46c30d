import { useIntl } from 'react-intl';
import { adminEn } from './en/admin';
import { consoleEn } from './en/console';
import { foldersEn } from './en/folders';
import { imagesEn } from './en/images';
import { overviewEn } from './en/overview';
import { planEn } from './en/plan';
import { settingsEn } from './en/settings';
import { usageEn } from './en/usage';
import { adminKo } from './ko/admin';
import { consoleKo } from './ko/console';
import { foldersKo } from './ko/folders';
import { imagesKo } from './ko/images';
import { overviewKo } from './ko/overview';
import { planKo } from './ko/plan';
import { settingsKo } from './ko/settings';
import { usageKo } from './ko/usage';
import { CATALOGUES, type MessageId as SharedId, type Values } from './text';

export const consoleParts = [adminEn, consoleEn, usageEn, foldersEn, settingsEn, imagesEn, overviewEn, planEn] as const;

/** What the console says beside what every page may: it comes with the first page of the console, not before. */
export const consoleTexts = {
  en: { ...adminEn, ...consoleEn, ...usageEn, ...foldersEn, ...settingsEn, ...imagesEn, ...overviewEn, ...planEn },
  ko: { ...adminKo, ...consoleKo, ...usageKo, ...foldersKo, ...settingsKo, ...imagesKo, ...overviewKo, ...planKo },
} as const;

export type MessageId = SharedId | keyof typeof consoleTexts.en;

Object.assign(CATALOGUES.en, consoleTexts.en);
Object.assign(CATALOGUES.ko, consoleTexts.ko);

/** The text of a message in the chosen language, for pages of the console. */
export function useText(): (id: MessageId, values?: Values) => string {
  const intl = useIntl();
  return (id, values) => intl.formatMessage({ id }, values);
}
