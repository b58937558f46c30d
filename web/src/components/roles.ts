export const ROLES = ['member', 'organization-administrator', 'system-administrator'] as const;
export type Role = (typeof ROLES)[number];

export function isSystemAdministrator(role: string): boolean {
  return role === 'system-administrator';
}

export function isAdministrator(role: string): boolean {
  return isSystemAdministrator(role) || role === 'organization-administrator';
}

/** The same as a name of ours; whatever else it is, it may no more than a member. */
export function roleOf(role: string): Role {
  return ROLES.find((known) => known === role) ?? 'member';
}
