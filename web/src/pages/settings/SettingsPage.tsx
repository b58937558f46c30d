import { Outlet } from '@tanstack/react-router';
import { PageTabs } from '../../components/console/PageTabs';
import { useText } from '../../i18n/console';

/** What somebody sets for themselves, in parts. */
export function SettingsPage() {
  const t = useText();
  return (
    <>
      <PageTabs
        label={t('settings.parts')}
        tabs={[
          { to: '/settings/profile', label: t('settings.profile') },
          { to: '/settings/keys', label: t('settings.keys') },
          { to: '/settings/ssh', label: t('settings.ssh') },
          { to: '/settings/browsers', label: t('settings.browsers') },
          { to: '/settings/dotfiles', label: t('settings.dotfiles') },
        ]}
      />
      <Outlet />
    </>
  );
}
