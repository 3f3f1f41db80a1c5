// An OpenID provider that is certified: npm's oidc-provider, with its own pages to log in at.
// node openid.mjs FOLDER REDIRECT --port PORT; whoever types a name is the one of that name.
import { pathToFileURL } from 'node:url'

const [folder, redirect, , port] = process.argv.slice(2)
const at = pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`)
const { Provider } = await import(at)

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'abaft',
    client_secret: 'a secret of 32 characters or more',
    redirect_uris: [redirect],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: id,
      email: `${id}@example.org`,
      email_verified: id !== 'unproved',
    }),
  }),
})
provider.listen(Number(port), '127.0.0.1')
