// An app of somebody else's, by npm's openid-client, which is certified: it signs people in.
// node openid_app.mjs FOLDER ISSUER CLIENT SECRET --port PORT
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [folder, issuer, id, secret, , port] = process.argv.slice(2)
const at = pathToFileURL(`${folder}/node_modules/openid-client/build/index.js`)
const oidc = await import(at)

const here = `http://127.0.0.1:${port}`
const local = { execute: [oidc.allowInsecureRequests] }
let config
const scope = 'openid email profile offline_access'
let asked = {}

const pages = {
  '/': async () => ({}),
  '/login': async () => {
    asked = {
      verifier: oidc.randomPKCECodeVerifier(),
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
    }
    return oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${here}/back`,
      scope,
      code_challenge: await oidc.calculatePKCECodeChallenge(asked.verifier),
      code_challenge_method: 'S256',
      state: asked.state,
      nonce: asked.nonce,
    })
  },
  '/back': async url => {
    const tokens = await oidc.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: asked.verifier,
      expectedState: asked.state,
      expectedNonce: asked.nonce,
      idTokenExpected: true,
    })
    const claims = tokens.claims()
    const user = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
    const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token)
    const before = await oidc.tokenIntrospection(config, fresh.access_token)
    await oidc.tokenRevocation(config, fresh.refresh_token)
    const after = await oidc.tokenIntrospection(config, fresh.access_token)
    const leave = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${issuer}/bye`,
      id_token_hint: tokens.id_token,
      state: 'st',
    })
    return { claims, user, before: before.active, after: after.active, leave: leave.href }
  },
  '/device': async () => {
    asked.device = await oidc.initiateDeviceAuthorization(config, { scope })
    return { at: asked.device.verification_uri_complete }
  },
  '/device/done': async () => {
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, asked.device)
    return { claims: tokens.claims() }
  },
}

createServer(async (request, response) => {
  const url = new URL(request.url, here)
  try {
    if (!config && url.pathname !== '/') {
      config = await oidc.discovery(new URL(issuer), id, secret, undefined, local)
      // The signature of ID tokens is looked at too, by the keys that are published.
      oidc.enableNonRepudiationChecks(config)
    }
    const found = await (pages[url.pathname] ?? pages['/'])(url)
    if (found instanceof URL) response.writeHead(303, { location: found.href }).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
  } catch (error) {
    response.writeHead(500).end(`${error} ${error.cause ?? ''} ${error.error_description ?? ''}`)
  }
}).listen(Number(port), '127.0.0.1')
