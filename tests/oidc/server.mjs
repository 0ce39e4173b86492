// A real OpenID provider (oidc-provider) that judges our client: PKCE required, refresh tokens
// rotate, a second use of one revokes the whole family, `iss` in the answer (RFC 9207).
//
//   node server.mjs '{"redirect_uris": [...], "access_s": 5}'
//
// The first line of standard output is {"port": …}. A person who always agrees is built in.
// GET /api/rows needs a valid access token; GET /judge tells what happened, without a token in it.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);
const happened = {
  granted: 0, exchanged: 0, refreshed: 0, refused: [], families_revoked: 0, revoked: 0,
  rows_served: 0, rows_refused: 0, urls: [],
};
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'hub',
    client_secret: 'a-secret-that-must-never-be-seen',
    redirect_uris: options.redirect_uris,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_method: options.client_auth ?? 'client_secret_basic',
  }],
  cookies: { keys: ['only for tests'] },
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    clientCredentials: { enabled: true },
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...options.person }) }),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  interactions: { url: (ctx, interaction) => `/person/${interaction.uid}` },
  issueRefreshToken: () => true,
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'rows.read', 'rows.write'],
  ttl: {
    AccessToken: options.access_s ?? 5, ClientCredentials: options.access_s ?? 5,
    RefreshToken: 3600, AuthorizationCode: options.code_s ?? 60,
    Grant: 3600, Session: 3600, Interaction: 600, IdToken: 600,
  },
});

async function person(ctx) {
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  if (options.denies) {
    const result = { error: 'access_denied', error_description: 'the person said no' };
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: options.account ?? 'M1' };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    result.consent = { grantId: await grant.save() };
  }
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
}

async function rows(ctx) {
  const [, value] = (ctx.get('authorization') ?? '').split(' ');
  const token = value
    && (await provider.AccessToken.find(value) ?? await provider.ClientCredentials.find(value));
  if (!token) {
    happened.rows_refused += 1;
    ctx.status = 401;
    ctx.body = { error: 'invalid_token' };
    return;
  }
  happened.rows_served += 1;
  ctx.body = { rows: [1, 2, 3] };
}

provider.use(async (ctx, next) => {
  happened.urls.push(ctx.url.replace(/(code|code_challenge|state|uid)=[^&]*/g, '$1=…').slice(0, 400));
  if (happened.urls.length > 200) happened.urls.shift();
  if (ctx.path.startsWith('/person/')) return person(ctx);
  if (ctx.path === '/api/rows') return rows(ctx);
  if (ctx.path === '/judge') { ctx.body = happened; return undefined; }
  return next();
});
provider.on('grant.success', (ctx) => {
  happened.granted += 1;
  const kind = ctx.oidc.params.grant_type;
  happened.exchanged += kind === 'authorization_code';
  happened.refreshed += kind === 'refresh_token';
});
provider.on('grant.error', (ctx, error) => happened.refused.push(`${error.error}: ${error.error_detail ?? ''}`));
provider.on('grant.revoked', () => { happened.families_revoked += 1; });
provider.on('authorization.error', (ctx, error) => happened.refused.push(`${error.error}: ${error.error_description ?? ''}`));
provider.on('server_error', (ctx, error) => console.error(error));

server.on('request', provider.callback());
console.log(JSON.stringify({ port: server.address().port }));
