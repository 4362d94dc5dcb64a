import { expect, test } from 'vitest';
import { nextLink } from '../../../src/registry/link-header.ts';

test.each([
  ['</v2/_catalog?last=b&n=2>; rel="next"', '/v2/_catalog?last=b&n=2'],
  ['</a>; rel=next', '/a'],
  ['</first>; rel="first", </second>; rel="next"', '/second'],
  ['</a>; title="x"; rel="last next"', '/a'],
  ['<https://elsewhere.example/a,b>; REL="Next"', 'https://elsewhere.example/a,b'],
])('finds the next page in %s', (header, expected) => {
  expect(nextLink(header)).toBe(expected);
});

test.each([undefined, '', '</a>', '</a>; rel="prev"', '/a; rel="next"', '</a>; rel="nextish"'])(
  'finds no next page in %s',
  (header) => {
    expect(nextLink(header)).toBeUndefined();
  },
);
