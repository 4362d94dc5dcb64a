import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { reportExisting } from '../../../src/commands/existing-report.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { Rule } from '../../../src/rules/rule-set.ts';
import { openReconcileSetting } from './reconcile-setting.ts';

/** A repository whose images stood before the rule, and the report on them. */
async function open(rule: Partial<Rule> = {}) {
  const setting = await openReconcileSetting(inject('fallbackHost'), { existing: 'ignore', ...rule });
  const { tools, identity, repository, options, ruleSet } = setting;
  const stateDir = mkdtempSync(join(tmpdir(), 'autosign-existing-'));
  onTestFinished(() => rmSync(stateDir, { recursive: true }));
  const stand = async (tag: string) => {
    const { digest } = await setting.push(tag);
    await tools.baseline.enter(identity, { registry: 'lab', repository, tag }, digest);
    return digest;
  };
  const report = async (more: Partial<typeof options> = {}) => {
    await tools.baseline.complete(identity, 'lab', await tools.baseline.begin(identity, 'lab'));
    await reportExisting({ ...options, ...more, rule: setting.rule, stateDir });
    const file = join(stateDir, 'existing-release-images-lab.jsonl');
    expect(readdirSync(stateDir)).toEqual(['existing-release-images-lab.jsonl']);
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  };
  /** Signs as it was signed before Redis lost its baselines. */
  const signBefore = async (tag: string) => {
    const rules = ruleSet.rules.map((own) => ({ ...own, existing: 'sign' as const }));
    const { signImage } = await import('../../../src/signing/sign-image.ts');
    const request = { registry: setting.registry, repository, tag, cause: 'test' };
    return signImage(request, { ...tools, ruleSet: { ...ruleSet, rules } });
  };
  return { ...setting, stand, report, signBefore, stateDir };
}

describe('the report of what stood before a rule', () => {
  test('names what is not signed, and nothing that is', async () => {
    const { stand, signBefore, report, repository, log } = await open();
    const digest = await stand('v1');
    await stand('v2');
    await signBefore('v2');
    expect(await report()).toEqual([{ registry: 'lab', image: `${repository}:v1`, digest }]);
    expect(log).toMatchObject([{ level: 'warn', rule: 'release-images', registry: 'lab', images: 1 }]);
  });

  test('names no image that is gone from its tag: what the tag points at now is newer than the rule', async () => {
    const { stand, push, report } = await open();
    await stand('v1');
    await push('v1', 'another one');
    expect(await report()).toEqual([]);
  });

  test('of a rule in state audit names what the rule would have signed', async () => {
    const { stand, report, repository } = await open({ state: 'audit' });
    await stand('v1');
    expect(await report()).toMatchObject([{ image: `${repository}:v1` }]);
  });

  test('names what cannot be looked at, with the reason', async () => {
    const { stand, report, client, options, repository } = await open();
    const digest = await stand('v1');
    const getManifest = () => Promise.reject(new AutosignError('registry-unreachable', 'connection refused'));
    const broken = { ...options.access, client: { ...client, getManifest } };
    const image = { registry: 'lab', image: `${repository}:v1`, digest };
    expect(await report({ access: broken })).toEqual([{ ...image, unknown: 'connection refused' }]);
    const keyRing = { get: () => ({ state: 'paused', reason: 'it is disabled' }) as const };
    expect(await report({ keyRing })).toEqual([{ ...image, unknown: 'Key release is paused: it is disabled' }]);
  });

  test('replaces an older one, also when there is nothing left to name', async () => {
    const { stand, signBefore, report, stateDir } = await open();
    writeFileSync(join(stateDir, 'existing-release-images-lab.jsonl'), '{"image":"of long ago"}\n');
    await stand('v1');
    await signBefore('v1');
    expect(await report()).toEqual([]);
  });

  test('is not written half when it is told to stop', async () => {
    const { stand, report, stateDir } = await open();
    await stand('v1');
    await expect(report({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
    expect(readdirSync(stateDir)).toEqual([]);
  });
});
