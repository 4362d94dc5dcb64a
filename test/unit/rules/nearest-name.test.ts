import { expect, test } from 'vitest';
import { nearestName } from '../../../src/rules/nearest-name.ts';

test.each([
  ['formatts', 'formats'],
  ['Mode', 'mode'],
  ['indentityHost', 'identityHost'],
  ['colour', undefined],
  ['', undefined],
])('the known name nearest to "%s" is %s', (name, nearest) => {
  expect(nearestName(name, ['formats', 'mode', 'identityHost', 'cosign', 'key'])).toBe(nearest);
});

test('nothing is near when nothing is known', () => {
  expect(nearestName('key', [])).toBeUndefined();
});
