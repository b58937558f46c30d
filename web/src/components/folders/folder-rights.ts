import type { Schema } from '../../api/client';
import type { Folder } from '../../api/folders';
import { isAdministrator } from '../roles';

/** Whether somebody may rename, share and remove a folder; the server decides again. */
export function mayManage(folder: Folder, me: Schema['MeView'] | undefined): boolean {
  if (!me) return false;
  return folder.user === me.id || isAdministrator(me.role) || managesProject(me, folder.project ?? '');
}

export function managesProject(me: Schema['MeView'], project: string): boolean {
  return me.memberships.some((membership) => membership.project === project && membership.role === 'project-manager');
}
