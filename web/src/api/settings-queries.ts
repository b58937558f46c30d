import { queryOptions } from '@tanstack/react-query';
import { body, client } from './client';

export const SCOPES = ['read', 'run', 'manage', 'secret'] as const;

export const tokensQuery = queryOptions({ queryKey: ['tokens'], queryFn: async () => (await body(client.GET('/api/v1/tokens'))).items });

export const accessKeysQuery = queryOptions({ queryKey: ['access-keys'], queryFn: async () => (await body(client.GET('/api/v1/access-keys'))).items });

export const sshKeysQuery = queryOptions({ queryKey: ['ssh-keys'], queryFn: async () => (await body(client.GET('/api/v1/ssh-keys'))).items });

/** Where whoever asks is signed in. */
export const browsersQuery = queryOptions({ queryKey: ['signins'], queryFn: async () => (await body(client.GET('/api/v1/signins'))).items });
