import { describe, expect, test } from 'vitest';
import { findOverlaps } from '../../../src/rules/overlaps.ts';
import { loadText, rulesText } from './rules-text.ts';

async function overlapsOf(first: string, second: string) {
  const text = rulesText({
    registry: ' }\n  - { name: other, host: other.example.com',
    rule: `, key: dev, algorithm: ECDSA_SHA_256${first}`,
    rest: `  - { name: second, ${second.includes('registries') ? '' : 'registries: [lab], '}${second.includes('key') ? '' : 'key: dev, algorithm: ECDSA_SHA_256, '}${second} }`,
  });
  return findOverlaps(await loadText(text)).map(({ rules, registries, signatures }) => ({
    rules: rules.map(({ name }) => name),
    registries,
    signatures,
  }));
}

describe('rules that can match one image are listed', () => {
  const rows: readonly (readonly [first: string, second: string, signatures: 'identical' | 'several' | 'none'])[] = [
    ['', 'mode: minimal', 'identical'],
    ['', 'mode: default', 'several'],
    ['', 'key: extra, algorithm: ECDSA_SHA_256', 'several'],
    ['', 'key: rsa, algorithm: RSA_PSS_SHA_256', 'several'],
    ['', 'state: audit', 'identical'],
    ['', 'state: off', 'none'],
    ['', 'registries: [other]', 'none'],
    [', namespaces: { include: [prod] }', 'namespaces: { include: ["team-*"] }', 'none'],
    [', namespaces: { include: ["*-prod"] }', 'namespaces: { include: ["team-*"] }', 'identical'],
    [', namespaces: { include: [prod] }', 'namespaces: { include: ["*"], exclude: ["pr*"] }', 'none'],
    [', namespaces: { include: ["pr*"] }', 'namespaces: { include: ["*"], exclude: [prod] }', 'identical'],
    [', namespaces: { include: [prod] }', 'tags: { include: [v1] }', 'identical'],
    [', tags: { include: ["v*"] }', 'tags: { include: ["*-rc"] }', 'identical'],
    [', tags: { include: ["v*"] }', 'tags: { include: ["w*"] }', 'none'],
    [', repositories: { include: ["*"] }', 'repositories: { include: ["a/**"] }', 'none'],
    [', repositories: { include: ["**/app"] }', 'repositories: { include: ["a/*"] }', 'identical'],
    [', repositories: { include: [a, b] }', 'repositories: { include: [b, c] }', 'identical'],
    [', repositories: { include: [a, b], exclude: [b] }', 'repositories: { include: [b, c] }', 'none'],
  ];
  test.each(rows)('{%s} and {%s}: %s', async (first, second, signatures) => {
    const expected = signatures === 'none' ? [] : [{ rules: ['all', 'second'], registries: ['lab'], signatures }];
    expect(await overlapsOf(first, second)).toEqual(expected);
  });
});
