// A provider of identities that we did not write: `oidc-provider`, on the loopback interface.
// Arguments: port, redirect address, client's secret. Any name logs in; its roles follow from it.
'use strict';

async function main() {
  const { Provider } = await import('oidc-provider');
  const [port, redirect, secret] = process.argv.slice(2);
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{ client_id: 'isotherm', client_secret: secret, redirect_uris: [redirect] }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    cookies: { keys: ['only for tests'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: `subject-of-${id}`,
        preferred_username: id,
        groups: id.startsWith('stranger') ? [] : ['everybody', 'plant-operators'],
      }),
    }),
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
  });
  provider.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
}

main();
