import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseChallenges } from '../../../src/registry/challenge.ts';

function read(header: string) {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

test.each([
  [
    'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a/b:pull,push"',
    [
      [
        'bearer',
        { realm: 'https://auth.example.com/token', service: 'registry.example.com', scope: 'repository:a/b:pull,push' },
      ],
    ],
  ],
  ['Basic realm="Registry Realm"', [['basic', { realm: 'Registry Realm' }]]],
  [
    'Basic realm="a", Bearer realm="b", service=c',
    [
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b', service: 'c' }],
    ],
  ],
  [
    'bearer REALM = "a" , service="with \\"quotes\\", commas"',
    [['bearer', { realm: 'a', service: 'with "quotes", commas' }]],
  ],
  [
    'Negotiate, Basic realm=x',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
])('reads %s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});

test.each([
  ['', []],
  ['realm="a"', []],
  ['Bearer realm="never closed', [['bearer', {}]]],
  ['Negotiate YWJj==, Basic realm="x"', [['negotiate', {}]]],
  ['Basic \u0000 realm="a"', [['basic', {}]]],
])('stops at what it cannot read: %s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});

test('reads back every value that a server can quote', () => {
  const quoted = fc.string().map((value) => ({ value, text: `"${value.replaceAll(/["\\]/g, '\\$&')}"` }));
  fc.assert(
    fc.property(
      quoted.filter(({ value }) => !/[\r\n\u2028\u2029]/.test(value)),
      ({ value, text }) => {
        expect(read(`Bearer realm=${text}`)).toEqual([['bearer', { realm: value }]]);
      },
    ),
  );
});

test('never throws and always ends', () => {
  fc.assert(fc.property(fc.string(), (header) => Array.isArray(parseChallenges(header))));
});
