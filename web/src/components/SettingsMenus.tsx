import { useText } from '../i18n/text';
import { THEMES, type Locale } from '../stores/kept-settings';
import { change, useSettings } from '../stores/settings';
import { IconButton } from '../ui/Button';
import { Menu, type Choice } from '../ui/Menu';

/** Each in its own words, so that whoever cannot read the others finds it. */
export const LANGUAGES: readonly Choice<Locale>[] = [
  { id: 'en', label: 'English', lang: 'en' },
  { id: 'ko', label: '한국어', lang: 'ko' },
];

export function SettingsMenus() {
  const t = useText();
  const { theme, locale } = useSettings();
  return (
    <>
      <Menu
        label={t('settings.language')}
        trigger={<IconButton icon="globe" label={t('settings.language')} />}
        choices={LANGUAGES}
        chosen={locale}
        onChoose={(locale) => { change({ locale }); }}
      />
      <Menu
        label={t('settings.theme')}
        trigger={<IconButton icon={theme === 'dark' ? 'moon' : 'sun'} label={t('settings.theme')} />}
        choices={THEMES.map((id) => ({ id, label: t(`settings.theme.${id}`) }))}
        chosen={theme}
        onChoose={(theme) => { change({ theme }); }}
      />
    </>
  );
}
