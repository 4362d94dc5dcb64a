import { describe, expect, test, vi } from 'vitest';
import { newWebhookToken, tokenCommand } from '../../../src/commands/token.ts';
import { isValidToken } from '../../../src/receiver/tokens.ts';

async function run(...args: string[]): Promise<string> {
  let written = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  try {
    await tokenCommand().exitOverride().parseAsync(args, { from: 'user' });
  } finally {
    spy.mockRestore();
  }
  return written;
}

describe('token new', () => {
  test('makes a token of 256 bits that the receiver accepts by its hash', () => {
    const made = newWebhookToken('prod');
    expect(Buffer.from(made.token, 'base64url')).toHaveLength(32);
    expect(isValidToken(made.token, [made.tokenSha256])).toBe(true);
    expect(newWebhookToken('prod').token).not.toBe(made.token);
  });

  test('prints token, hash, snippet and path for people', async () => {
    const text = await run('new', 'prod');
    const token = /^ {2}([\w-]{43})$/m.exec(text)?.[1];
    const hash = /tokenSha256: \["([0-9a-f]{64})"\]/.exec(text)?.[1];
    expect(isValidToken(String(token), [String(hash)])).toBe(true);
    expect(text).toContain('- name: prod');
    expect(text).toContain(`/webhooks/acr/prod/${token}\n`);
    expect(text).toContain('/webhooks/eventbridge/prod\n');
  });

  test('prints one object for scripts', async () => {
    const made = JSON.parse(await run('new', 'prod', '--json'));
    expect(Object.keys(made)).toEqual(['registry', 'token', 'tokenSha256', 'path']);
    expect(made.path).toBe(`/webhooks/acr/prod/${made.token}`);
  });

  test.each(['Prod', '-prod', 'pr/od', '', 'a'.repeat(64)])('refuses %j as the name of a registry', async (name) => {
    expect(() => newWebhookToken(name)).toThrow(expect.objectContaining({ code: 'usage' }));
    await expect(run('new', '--', name)).rejects.toThrow('cannot be the name of a registry');
  });
});
