import { describe, expect, it, onTestFinished } from 'vitest';
import { startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import { sample } from '../../emulator/sample-config.ts';
import { startAccount } from './account.ts';

const robot = {
  username: 'robot',
  password: 'password-1',
  grants: [{ repository: 'prod/*', actions: ['pull' as const, 'push' as const] }],
};
const pushScope = 'repository:prod/app:pull,push';

async function startService() {
  const lister = { username: 'lister', password: 'password-2', catalog: true };
  const { emulator } = await startAccount({ tokenService: { users: [robot, lister] } });
  const ask = async (scopes: string[], login: string | undefined, service = emulator.tokenService.service) => {
    const query = new URLSearchParams({ service });
    for (const scope of scopes) query.append('scope', scope);
    const headers = login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
    const response = await fetch(`${emulator.tokenService.realm}?${query}`, { headers });
    const body = (await response.json()) as { token?: string; expires_in?: number };
    return { status: response.status, body, claims: claimsOf(body.token) };
  };
  return { emulator, ask };
}

function claimsOf(token = '') {
  const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
  return text === '' ? undefined : JSON.parse(text);
}

describe('the token service', () => {
  it('gives a token for ten minutes with the actions that are granted', async () => {
    const { ask } = await startService();
    const { body, claims } = await ask([pushScope, 'repository:other/app:pull'], 'robot:password-1');
    expect(body.expires_in).toBe(600);
    expect(claims.access).toEqual([{ type: 'repository', name: 'prod/app', actions: ['pull', 'push'] }]);
    expect([claims.exp - claims.iat, claims.iat - claims.nbf]).toEqual([600, 300]);
  });

  it.each([
    ['anonymous callers', [pushScope], undefined],
    ['a repository that is not granted', ['repository:other/app:pull'], 'robot:password-1'],
    ['an action that is not granted', ['repository:prod/app:delete'], 'robot:password-1'],
    ['the catalogue without the right to it', ['registry:catalog:*'], 'robot:password-1'],
  ])('answers 200 with no access to %s', async (_, scopes, login) => {
    const { ask } = await startService();
    expect(await ask(scopes, login)).toMatchObject({ status: 200, claims: { access: [] } });
  });

  it.each([
    ['a wrong password', 401, 'robot:wrong', undefined],
    ['an unknown user', 401, 'nobody:password-1', undefined],
    ['another service', 400, 'robot:password-1', 'registry.example.com'],
  ])('refuses %s', async (_, status, login, service) => {
    const { ask } = await startService();
    expect(await ask([pushScope], login, service)).toMatchObject({ status, claims: undefined });
  });

  it('is trusted by a docker-registry, for what was granted only', async () => {
    const { emulator, ask } = await startService();
    const registry = await startDockerRegistry({ tokenAuth: emulator.tokenService });
    onTestFinished(() => registry.stop());
    const request = async (path: string, scope: string, login: string | undefined, method = 'GET') => {
      const { body } = await ask([scope], login);
      const headers = { authorization: `Bearer ${body.token}` };
      return (await fetch(`http://${registry.host}/v2/${path}`, { method, headers })).status;
    };
    const challenge = await fetch(`http://${registry.host}/v2/`);
    expect(challenge.headers.get('www-authenticate')).toContain(`realm="${emulator.tokenService.realm}"`);
    expect(await request('prod/app/blobs/uploads/', pushScope, 'robot:password-1', 'POST')).toBe(202);
    expect(await request('_catalog', 'registry:catalog:*', 'lister:password-2')).toBe(200);
    expect(await request('_catalog', 'registry:catalog:*', 'robot:password-1')).toBe(401);
    expect(await request('prod/app/tags/list', pushScope, undefined)).toBe(401);
    expect(await request('other/app/tags/list', pushScope, 'robot:password-1')).toBe(401);
  });

  it('records who asked for what, without the password', async () => {
    const { emulator, ask } = await startService();
    await ask([pushScope], 'robot:password-1');
    await ask([pushScope], 'robot:wrong');
    expect(emulator.calls).toMatchObject([
      { action: 'auth', caller: 'robot', status: 200, query: { scope: pushScope } },
      { action: 'auth', caller: undefined, status: 401 },
    ]);
    expect(JSON.stringify(emulator.calls)).not.toContain('password-1');
    expect(emulator.region).toBe(sample.region);
  });
});
