// Signing in by OpenID Connect, at a certified provider (node-oidc-provider) that this starts on a port of its own.
//
//   PROMONTORY_BINARY=…   the program (default: target/debug/promontory of the workspace)
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { startProgram } from './program.mjs';

const { Provider } = await import('oidc-provider');
const adminPassword = 'admin of the test';
process.env.PROMONTORY_ADMIN_PASSWORD = adminPassword;
/** With all that has to be encoded on the way. */
const secret = 'p8/s+cr=t:%20 and more';

/** Whom the provider knows. What is changed here is what it says from then on. */
const people = new Map([
  ['ada', { preferred_username: 'ada', name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups: ['ops', 'dev'] }],
  ['edda', { preferred_username: 'edda', name: 'Edda', email: 'edda@example.com', email_verified: false, groups: ['dev'] }],
  ['vera', { preferred_username: 'vera', name: 'Vera', groups: ['guests'] }],
  ['otto', { preferred_username: 'otto', name: 'Otto', groups: [] }],
  ['mallory', { preferred_username: 'admin', name: 'Not the administrator', groups: ['ops'] }],
]);

const key = (kind, options, fields) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...fields });
const jwks = { keys: [key('rsa', { modulusLength: 2048 }, { alg: 'RS256', kid: 'rsa' }), key('ec', { namedCurve: 'P-256' }, { alg: 'ES256', kid: 'ec' })] };

/** A server whose provider is made when the address of the program is known. It can go away, in part or as a whole. */
async function startProvider({ algorithm, clientAuthMethod, claimsInToken }) {
  let answer = (_, response) => response.writeHead(503).end();
  let away = /^$/;
  const server = createServer((request, response) => (away.test(request.url) ? request.socket.destroy() : answer(request, response)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  return {
    issuer,
    /** Which paths are not answered from now on. */
    lose: (paths) => (away = paths),
    serve(redirectUri) {
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: 'promontory',
            client_secret: secret,
            redirect_uris: [redirectUri],
            grant_types: ['authorization_code'],
            response_types: ['code'],
            id_token_signed_response_alg: algorithm,
            token_endpoint_auth_method: clientAuthMethod,
          },
        ],
        jwks,
        pkce: { required: () => true },
        clientAuthMethods: [clientAuthMethod],
        claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'] },
        conformIdTokenClaims: !claimsInToken,
        cookies: { keys: ['of this test'] },
        ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 3600, Session: 3600 },
        findAccount: (_, id) => (people.has(id) ? { accountId: id, claims: () => ({ sub: id, ...people.get(id) }) } : undefined),
      });
      answer = provider.callback();
    },
    close: () => (server.close(), server.closeAllConnections()),
  };
}

const providers = {
  RS256: await startProvider({ algorithm: 'RS256', clientAuthMethod: 'client_secret_basic', claimsInToken: false }),
  ES256: await startProvider({ algorithm: 'ES256', clientAuthMethod: 'client_secret_post', claimsInToken: true }),
};
const origins = Object.values(providers).map(({ issuer }) => issuer);
const config = (issuer) => `
machine: {watch: false, alerts: false}
auth:
  oidc:
    name: The House
    issuer: ${issuer}
    client_id: promontory
    client_secret_file: client-secret
    roles:
      - {claim: groups, value: ops, role: Admin}
      - {claim: groups, value: dev, role: Editor}
      - {claim: groups, value: guests, role: Viewer}
    teams_claim: groups
`;
const program = await startProgram({ files: { 'promontory.yml': config(providers.RS256.issuer), 'client-secret': `${secret}\n` }, flags: ['--config', 'FOLDER/promontory.yml'] });
for (const provider of Object.values(providers)) provider.serve(`${program.url}/login/oidc/callback`);
process.env.PROMONTORY_URL = program.url;
const { base, finish, open, test: bare } = await import('./harness.mjs');

/** The pages of the provider want a font of somebody else's, and get none. */
const FONTS = 'https://fonts.googleapis.com';
const test = (name, run, { statuses } = {}) =>
  bare(
    name,
    async (page, context) => {
      await context.route(`${FONTS}/**`, (route) => route.fulfill({ contentType: 'text/css', body: '' }));
      await run(page, context);
    },
    { origins: [...origins, FONTS], statuses },
  );

async function admin(method, path, body) {
  const answer = await fetch(new URL(path, base), {
    method,
    headers: { authorization: `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.headers.get('content-type')?.includes('json') ? answer.json() : answer.text();
}
const reload = () => admin('POST', '-/reload');
const users = async () => new Map((await admin('GET', 'api/org/users')).map((user) => [user.login, user]));

const button = (page) => page.getByRole('link', { name: 'Sign in with The House' });
/** To the login page, from there to the provider, and there by its own pages. */
async function signIn(page, who, path = '') {
  await toProvider(page, path);
  await agree(page, who);
}
async function toProvider(page, path) {
  await open(page, path);
  await button(page).click();
  await page.locator('input[name=login]').waitFor();
}
async function agree(page, who) {
  await page.locator('input[name=login]').fill(who);
  await page.locator('input[name=password]').fill('the provider asks for any');
  await page.getByRole('button', { name: /sign-in/i }).click();
  await page.getByRole('button', { name: /continue/i }).click();
}
const back = (page) => page.waitForURL((url) => url.href.startsWith(base) && !/\/login/.test(url.pathname));
const whoami = (context) => context.request.get(new URL('api/user', base).href).then((answer) => answer.json());
async function signOut(page) {
  await page.getByRole('button', { name: /^You: / }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/login$/);
}
const said = (page) => page.getByRole('alert').filter({ hasText: 'The sign-in did not work' }).textContent();

for (const algorithm of Object.keys(providers)) {
  await test(
    `${algorithm}: who signs in at the provider is who it says, with the role that their groups have`,
    async (page, context) => {
      program.write('promontory.yml', config(providers[algorithm].issuer));
      assert.equal(await reload(), '');
      await signIn(page, 'ada', 'targets?health=up&refresh=off');
      await page.waitForURL(/\/targets\?health=up&refresh=off/);
      const me = await whoami(context);
      assert.deepEqual([me.login, me.name, me.email, me.orgRole, me.isExternal], ['ada', 'Ada Lovelace', 'ada@example.com', 'Admin', true]);
      const cookie = (await context.cookies()).find(({ name }) => name === 'promontory_session');
      assert.ok(cookie.httpOnly && cookie.sameSite === 'Lax');
      assert.equal((await context.cookies()).find(({ name }) => name === 'promontory_oidc'), undefined);
      const teams = await (await context.request.get(new URL('api/user/teams', base).href)).json();
      assert.deepEqual(teams.map(({ name }) => name).sort(), ['dev', 'ops']);
      assert.doesNotMatch(program.log(), /s\+cr/);
    },
  );

  for (const [who, role, email] of [['edda', 'Editor', ''], ['vera', 'Viewer', '']]) {
    await test(
      `${algorithm}: ${who} is ${role}`,
      async (page, context) => {
        await signIn(page, who);
        await back(page);
        const me = await whoami(context);
        assert.deepEqual([me.login, me.orgRole, me.email], [who, role, email]);
        if (role === 'Viewer') assert.equal((await context.request.post(new URL('api/v2/silences', base).href, { data: {} })).status(), 403);
      },
    );
  }

  await test(
    `${algorithm}: the same person is the same user at the next sign-in, with the role of that time`,
    async (page, context) => {
      const before = await users();
      await signIn(page, 'vera');
      await back(page);
      const { id } = await whoami(context);
      assert.equal(id, before.get('vera').userId);
      await signOut(page);
      assert.equal((await context.request.get(new URL('api/user', base).href)).status(), 401);
      // The provider still knows who sits there, and says what is true now.
      people.set('vera', { ...people.get('vera'), name: 'Vera V.', groups: ['dev'] });
      await button(page).click();
      await back(page);
      const me = await whoami(context);
      assert.deepEqual([me.id, me.name, me.orgRole], [id, 'Vera V.', 'Editor']);
      people.set('vera', { ...people.get('vera'), name: 'Vera', groups: ['guests'] });
      assert.equal((await users()).size, before.size);
    },
    { statuses: [401] },
  );

  await test(
    `${algorithm}: who has no role here, or the name of another, is told so`,
    async (page, context) => {
      await signIn(page, 'otto');
      await page.waitForURL(/\/login\?error=/);
      assert.match(await said(page), /otto has no role here/);
      await context.clearCookies();
      await signIn(page, 'mallory');
      await page.waitForURL(/\/login\?error=/);
      assert.match(await said(page), /another account/);
      assert.equal((await context.cookies()).find(({ name }) => name === 'promontory_session'), undefined);
    },
  );
  // What one provider says of people does not make them who they are at another.
  for (const login of ['ada', 'edda', 'vera']) await admin('DELETE', `api/admin/users/${(await users()).get(login).userId}`);
}

await test(
  'who says no at the provider is told so, and may try again',
  async (page) => {
    await open(page);
    await button(page).click();
    await page.getByRole('link', { name: /cancel/i }).click();
    await page.waitForURL(/\/login\?error=/);
    assert.match(await said(page), /access_denied/);
    await signIn(page, 'ada', 'login');
    await back(page);
  },
);

await test(
  'a way back that was not begun in this browser, or that was tampered with, leads nowhere',
  async (page, context) => {
    await open(page, 'login/oidc/callback?code=abc&state=def');
    assert.match(await said(page), /not begun here/);
    // Another sign-in is begun in the same browser meanwhile: the state that comes back is not the one it holds.
    await toProvider(page, 'login');
    await context.request.get(new URL('login/oidc', base).href, { maxRedirects: 0 });
    await agree(page, 'ada');
    await page.waitForURL(/\/login\?error=/);
    assert.match(await said(page), /not begun here/);
    assert.equal((await context.cookies()).find(({ name }) => name === 'promontory_session'), undefined);
  },
);

await test(
  'a provider that is away is said to be, and the password of this server still counts',
  async (page, context) => {
    const provider = providers.ES256;
    // It goes while somebody is there.
    provider.lose(/^\/token/);
    await signIn(page, 'ada', 'login');
    await page.waitForURL(/\/login\?error=/);
    assert.match(await said(page), /the OpenID provider gave no token/);
    // It is away from the beginning.
    provider.lose(/./);
    await reload();
    await open(page, 'login?next=%2Fsilences');
    await button(page).click();
    await page.waitForURL(/\/login\?.*error=/);
    assert.match(await said(page), /the OpenID provider does not describe itself/);
    await page.getByLabel('User', { exact: true }).fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(adminPassword);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL(/\/silences/);
    assert.equal((await whoami(context)).login, 'admin');
    provider.lose(/^$/);
    // A provider that failed is not asked again for a moment; a reload begins anew.
    await reload();
  },
);

await test(
  'a client secret that was changed at the provider is taken from its file, without a restart',
  async (page) => {
    program.write('client-secret', 'an old one');
    await signIn(page, 'edda', 'login');
    await page.waitForURL(/\/login\?error=/);
    assert.match(await said(page), /gave no token.*invalid_client/);
    program.write('client-secret', secret);
    await button(page).click();
    await back(page);
  },
);

await finish();
Object.values(providers).forEach(({ close }) => close());
await program.close();
