import { describe, expect, test } from 'vitest';
import { type BackfillChoice, selectForBackfill } from '../../../src/backfill/selection.ts';
import { loadText } from '../rules/rules-text.ts';

const text = (rest = '') => `
version: 1
registries:
  - { name: lab, host: lab.example.com }
  - { name: far, host: far.example.com }
  - { name: watched, host: watched.example.com }
keys:
  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }
rules:
  - { name: teams, registries: [lab, far], namespaces: { include: ["team-*"], exclude: [team-x] }, key: dev, algorithm: ECDSA_SHA_256 }
  - { name: prod, registries: [lab], namespaces: { include: [prod] }, key: dev, algorithm: ECDSA_SHA_256${rest} }
  - { name: watch, state: audit, registries: [watched], key: dev, algorithm: ECDSA_SHA_256 }
`;

async function select(choice: BackfillChoice, rest?: string) {
  const selection = selectForBackfill(await loadText(text(rest)), choice);
  return { ...selection, names: selection.rules.map(({ name }) => name) };
}

describe('what is chosen for a backfill', () => {
  test.each([
    [{}, ['teams', 'prod'], ['lab', 'far']],
    [{ registry: 'far' }, ['teams'], ['far']],
    [{ registry: 'lab' }, ['teams', 'prod'], ['lab']],
    [{ rule: 'prod' }, ['prod'], ['lab']],
    [{ namespace: 'team-a' }, ['teams'], ['lab', 'far']],
    [{ namespace: 'prod', registry: 'lab' }, ['prod'], ['lab']],
  ])('%j takes the rules %j in the registries %j', async (choice, names, registries) => {
    expect(await select(choice)).toMatchObject({ names, registries });
  });

  test('passes over the repositories of other namespaces', async () => {
    const { passOver } = await select({ namespace: 'team-a' });
    const passed = ['team-a/app', 'team-a/app/api', 'team-b/app', 'team-a', 'prod/team-a'].filter(passOver);
    expect(passed).toEqual(['team-b/app', 'team-a', 'prod/team-a']);
    expect((await select({})).passOver('team-b/app')).toBe(false);
  });

  test.each([
    [{ registry: 'nowhere' }, 'no rule in state sign names "nowhere"; there are: lab, far.'],
    [{ registry: 'watched' }, 'no rule in state sign names "watched"'],
    [{ registry: 'lap' }, 'Did you mean lab?'],
    [{ registry: 'far', rule: 'prod' }, 'there is: lab.'],
    [{ rule: 'prot' }, 'no rule in state sign is "prot"; there are: teams, prod. Did you mean prod?'],
    [{ rule: 'watch' }, '--rule: watch is in state audit; only rules in state sign are signed.'],
    [{ namespace: 'team-x' }, 'no rule in state sign covers "team-x"; there are: team-*, prod.'],
    [{ namespace: 'prod', registry: 'far' }, 'no rule in state sign covers "prod"; there is: team-*.'],
  ])('refuses %j', async (choice, message) => {
    await expect(select(choice)).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(message) });
  });

  test('refuses rules of which none signs', async () => {
    const ruleSet = await loadText(text());
    const none = { ...ruleSet, rules: ruleSet.rules.filter(({ state }) => state !== 'sign') };
    expect(() => selectForBackfill(none, {})).toThrow('nothing to backfill');
  });

  test('has one name for the same choice, and another for any other, or for rules that demand something else', async () => {
    const choices = [
      {},
      { registry: 'lab' },
      { namespace: 'prod' },
      { rule: 'prod' },
      { since: '7d' },
      { since: '8d' },
    ];
    const ids = await Promise.all(choices.map(async (choice) => (await select(choice)).id));
    ids.push((await select({}, ', mode: default')).id, (await select({}, ', existing: sign')).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect((await select({})).id).toBe(ids[0]);
    expect((await select({}, ', owner: somebody')).id).toBe(ids[0]);
  });
});
