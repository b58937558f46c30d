import type { HttpHandler } from 'msw';
import { createOpenApiHttp } from 'openapi-msw';
import type { components, paths } from '../src/api/generated';
import { USER, type Database } from './database.ts';
import { invalid, notFound, problem } from './problem.ts';

type Schema = components['schemas'];

const http = createOpenApiHttp<paths>({ baseUrl: '*' });
const WEEK_MS = 7 * 86_400_000;
const now = () => new Date().toISOString();
const conflict = (detail: string) => problem(409, 'conflict', detail);

/** Who else may reach folders: shares, and invitations, which their invitee has to accept. */
export function sharingHandlers(database: Database): HttpHandler[] {
  return [...shareHandlers(database), ...invitationHandlers(database), leaveHandler(database)];
}

/** A user's or a project's, in a body that names one of both. */
function grantee(database: Database, { user, project }: { user?: string | null | undefined; project?: string | null | undefined }) {
  const unknown = (field: string, name: string) => invalid(field, `\`${field}\`: there is none called ${JSON.stringify(name)}, or none that you may name here`);
  if (Boolean(user) === Boolean(project)) return { refused: invalid('user', 'give `user` or `project`, one of both') };
  const holder = user ? database.userNamed(user) : database.projectNamed(project ?? '');
  return holder ? { holder } : { refused: user ? unknown('user', user) : unknown('project', project ?? '') };
}

function shareHandlers(database: Database): HttpHandler[] {
  const { folders, folderShares } = database;
  const shares = (folder: string) => folderShares.get(folder) ?? [];
  return [
    http.get('/api/v1/folders/{id}/shares', ({ params, response }) => (folders.has(params.id) ? response(200).json({ items: shares(params.id) }) : response.untyped(notFound('folder')))),
    http.post('/api/v1/folders/{id}/shares', async ({ params, request, response }) => {
      const asked = await request.json();
      const folder = folders.get(params.id);
      if (!folder) return response.untyped(notFound('folder'));
      const { holder, refused } = grantee(database, asked);
      if (!holder) return response.untyped(refused);
      if (holder.id === (folder.user ?? folder.project)) return response.untyped(conflict('it is theirs already'));
      const others = shares(folder.id).filter(({ user, project }) => (user ?? project) !== holder.id);
      const changes = others.length < shares(folder.id).length;
      if (folder.user && asked.user && !changes) return response.untyped(conflict("a user's folder is shared with another user by invitation: invite them"));
      const share: Schema['FolderShareView'] = { folder: folder.id, ...(asked.user ? { user: holder.id } : { project: holder.id }), name: holder.name, permission: asked.permission, created_by: USER.id, created_at: now() };
      folderShares.set(folder.id, [...others, share]);
      return response(201).json(share);
    }),
    http.delete('/api/v1/folders/{id}/shares/{name}', ({ params, response }) => {
      const share = shares(params.id).find(({ user, project, name }) => (user ?? project) === params.name || name === params.name);
      if (!share) return response.untyped(notFound(`a share with ${params.name}`));
      folderShares.set(params.id, shares(params.id).filter((one) => one !== share));
      return response(200).json(share);
    }),
  ];
}

function invitationHandlers(database: Database): HttpHandler[] {
  const { folders, folderShares, invitations } = database;
  /** Whoever was invited answers; here everybody is the administrator, who may answer for them. */
  const decide = (id: string, state: 'accepted' | 'declined' | 'withdrawn') => {
    const invitation = invitations.get(id);
    if (!invitation) return { refused: notFound(`invitation ${id}`) };
    if (invitation.state !== 'pending') return { refused: conflict(`the invitation is ${invitation.state}`) };
    if (state === 'accepted' && folders.get(invitation.folder)?.state !== 'ready') return { refused: conflict('the folder is in the trash') };
    const decided = { ...invitation, state, decided_at: now() };
    invitations.set(id, decided);
    const { folder, user, user_name, permission, created_by } = invitation;
    if (state === 'accepted') folderShares.set(folder, [...(folderShares.get(folder) ?? []), { folder, user, name: user_name, permission, created_by, created_at: now() }]);
    return { decided };
  };
  return [
    http.get('/api/v1/invitations', ({ response }) => response(200).json({ items: [...invitations.values()] })),
    http.post('/api/v1/folders/{id}/invitations', async ({ params, request, response }) => {
      const { user, permission, expires_in_ms } = await request.json();
      const folder = folders.get(params.id);
      if (!folder) return response.untyped(notFound('folder'));
      const { holder, refused } = grantee(database, { user });
      if (!holder) return response.untyped(refused);
      const isAsked = [...invitations.values()].some((one) => one.folder === folder.id && one.user === holder.id && one.state === 'pending');
      const isShared = folderShares.get(folder.id)?.some((share) => share.user === holder.id);
      const why = folder.project ? "a project's folder is shared with a user at once: no invitation is needed" : holder.id === folder.user ? 'it is theirs already' : isShared ? 'it is shared with them already: change or end that share' : isAsked ? 'an invitation of theirs exists already' : null;
      if (why !== null) return response.untyped(conflict(why));
      const invitation: Schema['InvitationView'] = { id: database.nextId('inv'), folder: folder.id, folder_name: folder.name, user: holder.id, user_name: holder.name, permission, state: 'pending', created_by: USER.id, created_by_name: USER.name, created_at: now(), expires_at: new Date(Date.now() + (expires_in_ms ?? WEEK_MS)).toISOString() };
      invitations.set(invitation.id, invitation);
      return response(201).json(invitation);
    }),
    http.delete('/api/v1/folders/{id}/invitations/{name}', ({ params, response }) => {
      const invitation = [...invitations.values()].find(({ id, folder, user, user_name, state }) => folder === params.id && state === 'pending' && [id, user, user_name].includes(params.name));
      const { decided, refused } = invitation ? decide(invitation.id, 'withdrawn') : { decided: undefined, refused: notFound(`invitation ${params.name}`) };
      return decided ? response(200).json(decided) : response.untyped(refused);
    }),
    http.post('/api/v1/invitations/{id}/accept', ({ params, response }) => {
      const { decided, refused } = decide(params.id, 'accepted');
      return decided ? response(200).json(decided) : response.untyped(refused);
    }),
    http.post('/api/v1/invitations/{id}/decline', ({ params, response }) => {
      const { decided, refused } = decide(params.id, 'declined');
      return decided ? response(200).json(decided) : response.untyped(refused);
    }),
  ];
}

function leaveHandler({ folders, folderShares }: Database): HttpHandler {
  return http.post('/api/v1/folders/{id}/leave', ({ params, response }) => {
    const folder = folders.get(params.id);
    if (!folder) return response.untyped(notFound('folder'));
    const shares = folderShares.get(folder.id) ?? [];
    const own = shares.find(({ user }) => user === USER.id);
    if (!own) return response.untyped(conflict(`there is nothing to leave: ${folder.user === USER.id ? 'it is yours: delete it, or have an administrator give it to somebody else' : 'it reaches you through a project, not by a share of your own'}`));
    folderShares.set(folder.id, shares.filter((one) => one !== own));
    return response(200).json(own);
  });
}
