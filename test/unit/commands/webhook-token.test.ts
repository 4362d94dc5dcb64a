import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readTriggerUrl } from '../../../src/commands/webhook-token.ts';
import type { Registry, WebhookTrigger } from '../../../src/rules/rule-set.ts';
import { loadText, rulesText } from '../rules/rules-text.ts';

const token = randomBytes(32).toString('base64url');
const other = randomBytes(32).toString('base64url');
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
const directory = mkdtempSync(join(tmpdir(), 'autosign-token-'));
afterAll(() => rmSync(directory, { recursive: true }));
const tokenFile = join(directory, 'token');
writeFileSync(tokenFile, `${token}\n`);

const [sound] = (await loadText(rulesText())).registries.values();
const fromEnv: WebhookTrigger['token'] = { kind: 'env', name: 'TOKEN' };

function registry(trigger: Partial<WebhookTrigger> = {}, tokenSha256: readonly string[] = [hashOf(token)]): Registry {
  if (sound === undefined) throw new Error('the sound file has a registry');
  return {
    ...sound,
    webhook: { tokenSha256, trigger: { url: 'https://hooks.example.com', token: fromEnv, ...trigger } },
  };
}

describe('the address that triggers call', () => {
  test.each([
    ['from a variable', registry(), { TOKEN: token }],
    ['from a file with a line end', registry({ token: { kind: 'file', path: tokenFile } }), {}],
    ['behind a slash', registry({ url: 'https://hooks.example.com/' }), { TOKEN: token }],
    ['with the new of two tokens', registry({}, [hashOf(other), hashOf(token)]), { TOKEN: token }],
  ])('has the token at its end, %s', async (_, given, env) => {
    expect(await readTriggerUrl(given, env)).toBe(`https://hooks.example.com/webhooks/acr/lab/${token}`);
  });

  test('keeps the path of a proxy, and characters of a token that have a meaning in a URL', async () => {
    const odd = 'a/b?c#d%';
    const given = registry({ url: 'http://proxy.example.com:8080/sign' }, [hashOf(odd)]);
    expect(await readTriggerUrl(given, { TOKEN: odd })).toBe(
      'http://proxy.example.com:8080/sign/webhooks/acr/lab/a%2Fb%3Fc%23d%25',
    );
  });

  test.each<[string, Registry, NodeJS.ProcessEnv, string]>([
    ['no variable', registry(), {}, 'the variable TOKEN does not hold the token'],
    ['an empty variable', registry(), { TOKEN: ' ' }, 'the variable TOKEN does not hold the token'],
    [
      'no file',
      registry({ token: { kind: 'file', path: join(directory, 'none') } }),
      {},
      'none does not hold the token',
    ],
    ['another token', registry(), { TOKEN: other }, 'is not one whose hash stands'],
    ['the hash in its place', registry(), { TOKEN: hashOf(token) }, 'is not one whose hash stands'],
    ['something endless', registry(), { TOKEN: token.repeat(50) }, 'is not one whose hash stands'],
    ['no url', { ...registry(), webhook: { tokenSha256: [hashOf(token)], trigger: undefined } }, {}, 'has no url'],
    ['no webhook', { ...registry(), webhook: undefined }, {}, 'has no url'],
  ])('is refused with %s, by file and line, and no part of what was given is quoted', async (_, given, env, reason) => {
    const error: unknown = await readTriggerUrl(given, env).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'settings-invalid', message: expect.stringContaining(reason) });
    expect(error).toMatchObject({ message: expect.stringMatching(/^rules\.yaml:4: registry lab: /) });
    const text = JSON.stringify(error, Object.getOwnPropertyNames(error));
    for (const secret of Object.values(env)) if (secret?.trim()) expect(text).not.toContain(secret);
  });
});
