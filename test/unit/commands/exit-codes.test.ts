import { expect, test } from 'vitest';
import { exitCodeOf } from '../../../src/commands/exit-codes.ts';

test.each([
  ['usage', 2],
  ['settings-invalid', 2],
  ['rules-invalid', 2],
  ['signature-invalid', 3],
  ['signature-not-found', 4],
  ['redis-unreachable', 8],
  ['registry-unreachable', 8],
  ['kms-unreachable', 8],
  ['key-unusable', 1],
  ['not-found', 1],
] as const)('%s ends with exit code %i', (code, exitCode) => {
  expect(exitCodeOf(code)).toBe(exitCode);
});
