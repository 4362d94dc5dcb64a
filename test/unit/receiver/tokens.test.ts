import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isValidToken } from '../../../src/receiver/tokens.ts';

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');

describe('a token', () => {
  test.each([
    ['is taken by its only hash', 'new', [hashOf('new')], true],
    ['is taken while it is the older of two', 'old', [hashOf('old'), hashOf('new')], true],
    ['is taken while it is the newer of two', 'new', [hashOf('old'), hashOf('new')], true],
    ['is refused once its hash is gone', 'old', [hashOf('new')], false],
    ['is refused when it is the hash itself', hashOf('new'), [hashOf('new')], false],
    ['is refused when empty', '', [hashOf('new')], false],
    ['is refused without any hash', 'new', [], false],
    ['is refused for an unknown registry', 'new', undefined, false],
  ])('%s', (_what, token, hashes, valid) => {
    expect(isValidToken(token, hashes)).toBe(valid);
  });
});
