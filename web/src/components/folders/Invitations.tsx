import { useQuery } from '@tanstack/react-query';
import { useIntl } from 'react-intl';
import { client, type Schema } from '../../api/client';
import { FOLDER_CHANGES, invitationsQuery } from '../../api/folders';
import { useAct } from '../../hooks/use-act';
import { useText } from '../../i18n/console';
import { Button } from '../../ui/Button';
import { moment } from '../../ui/format';
import { ProblemNotice } from '../ProblemNotice';
import { Card } from '../console/Card';
import styles from '../console/console.module.css';
import own from './folders.module.css';

/** Invitations to folders that nobody has answered: those that came, and those that were sent. */
export function Invitations({ me }: { me: string }) {
  const t = useText();
  const { data, error } = useQuery(invitationsQuery);
  const open = data?.filter(({ state }) => state === 'pending') ?? [];
  if (!error && open.length === 0) return null;
  return (
    <Card title={t('invitations.title')}>
      <ProblemNotice error={error} />
      <ul className={own['lines']}>{open.map((invitation) => (invitation.user === me ? <Received key={invitation.id} invitation={invitation} /> : <Sent key={invitation.id} invitation={invitation} />))}</ul>
    </Card>
  );
}

function Received({ invitation }: { invitation: Schema['InvitationView'] }) {
  const t = useText();
  const intl = useIntl();
  const params = { path: { id: invitation.id } };
  const accept = useAct(() => client.POST('/api/v1/invitations/{id}/accept', { params }), FOLDER_CHANGES);
  const decline = useAct(() => client.POST('/api/v1/invitations/{id}/decline', { params }), FOLDER_CHANGES);
  const { created_by_name, folder_name, permission, expires_at } = invitation;
  return (
    <li className={own['line']}>
      <span>
        {t('invitations.received', { who: created_by_name, folder: folder_name, may: t(`folders.may.${permission}`) })}
        <span className={styles['fine']}> {t('invitations.until', { until: moment(intl, expires_at) })}</span>
      </span>
      <span className={styles['acts']}>
        <Button small look="primary" isPending={accept.isPending} onPress={() => { accept.mutate(); }}>{t('invitations.accept')}</Button>
        <Button small isPending={decline.isPending} onPress={() => { decline.mutate(); }}>{t('invitations.decline')}</Button>
      </span>
      <ProblemNotice error={accept.error ?? decline.error} />
    </li>
  );
}

function Sent({ invitation }: { invitation: Schema['InvitationView'] }) {
  const t = useText();
  const intl = useIntl();
  const { folder, user, user_name, folder_name, permission, expires_at } = invitation;
  const withdraw = useAct(() => client.DELETE('/api/v1/folders/{id}/invitations/{name}', { params: { path: { id: folder, name: user } } }), FOLDER_CHANGES);
  return (
    <li className={own['line']}>
      <span>
        {t('invitations.sent', { who: user_name, folder: folder_name, may: t(`folders.may.${permission}`) })}
        <span className={styles['fine']}> {t('invitations.until', { until: moment(intl, expires_at) })}</span>
      </span>
      <span className={styles['acts']}><Button small isPending={withdraw.isPending} onPress={() => { withdraw.mutate(); }}>{t('invitations.withdraw')}</Button></span>
      <ProblemNotice error={withdraw.error} />
    </li>
  );
}
