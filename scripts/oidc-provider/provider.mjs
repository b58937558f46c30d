// A real OpenID provider for tests: any name signs in with any password; what stands after `+` are the user's groups, as in `ada+physics+staff`.
// Prints its issuer, then serves until it is ended.
import { Provider } from 'oidc-provider';
import http from 'node:http';

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'madang',
      client_secret: 'a-secret-of-the-client',
      // Native: the port of a loopback address may be any.
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/api/v1/signin/providers/school/back'],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    pkce: { required: () => true },
    cookies: { keys: ['keys of a test'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, id) => {
      const [name, ...groups] = id.split('+');
      return {
        accountId: id,
        claims: () => ({ sub: name, preferred_username: name, email: `${name}@school.example`, groups }),
      };
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
