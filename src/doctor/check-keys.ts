import type { Key } from '../rules/rule-set.ts';
import { type Check, failure, ok, type Verdict, warning } from './check.ts';

/** What a key service says of a key. */
export interface KeyFacts {
  /** `RSA_2048`, `EC_P256`, …; undefined where the service does not tell and the public key says it. */
  readonly spec: string | undefined;
  /** `SIGN/VERIFY`; undefined where the service does not tell. */
  readonly usage: string | undefined;
  /** `Enabled`, …; undefined where the service does not tell. */
  readonly state: string | undefined;
  /** Lower-case hex SHA-256 of the SPKI DER of the pinned version. */
  readonly publicKeySha256: string;
  /** Versions that the service has, the pinned one among them; undefined where the service does not tell. */
  readonly versions: number | undefined;
}

/** One key at its source. Its calls throw AutosignError with what stands in the way. */
export interface KeyProbe {
  readonly key: Key;
  readFacts(): Promise<KeyFacts>;
  /** Asks for permission to sign, without signing; undefined where the service has no such question. */
  readonly trySigning: (() => Promise<void>) | undefined;
  /** When the secret ends by which the key is reached; undefined when it does not, or does not tell. */
  readonly accessEnds: (() => Promise<Date | undefined>) | undefined;
}

// A month to make a new ClientKey and bring it to every worker.
const endsSoonMs = 30 * 86_400_000;

/** Whether each key is what the rules file says, and may be used. */
export function keyChecks(probes: readonly KeyProbe[], now: () => Date): readonly Check[] {
  return probes.map((probe) => ({
    area: 'key',
    subject: probe.key.name,
    run: async () => [
      ...compare(probe.key, await probe.readFacts()),
      ...(await signingVerdict(probe)),
      ...(await accessVerdict(probe, now)),
    ],
  }));
}

function compare(key: Key, facts: KeyFacts): readonly Verdict[] {
  const { file, line } = key.origin;
  const here = `${file}:${line}`;
  const verdicts: Verdict[] = [];
  const differs = (what: string, wanted: string, found: string) =>
    verdicts.push(failure(`${what} is ${found}, ${here} says ${wanted}`, 'Correct the entry, or name the right key.'));
  if (facts.spec !== undefined && facts.spec !== key.spec) differs('spec', key.spec, facts.spec);
  if (key.publicKeySha256 !== undefined && facts.publicKeySha256 !== key.publicKeySha256) {
    differs('publicKeySha256', key.publicKeySha256, facts.publicKeySha256);
  }
  if (facts.usage !== undefined && facts.usage !== 'SIGN/VERIFY') {
    verdicts.push(failure(`its usage is ${facts.usage}`, 'Make a key with the usage SIGN/VERIFY.'));
  }
  if (facts.state !== undefined && facts.state !== 'Enabled') {
    verdicts.push(failure(`its state is ${facts.state}`, 'Enable it in the KMS console, or cancel its deletion.'));
  }
  return verdicts.length > 0 ? verdicts : [ok(summaryOf(key, facts))];
}

function summaryOf({ spec, publicKeySha256 }: Key, { state, versions }: KeyFacts): string {
  return [
    spec,
    ...(state === undefined ? [] : [state]),
    publicKeySha256 === undefined ? 'no public key is pinned yet' : 'the public key is the pinned one',
    ...(versions === undefined ? [] : [`${versions} ${versions === 1 ? 'version' : 'versions'}`]),
  ].join(', ');
}

async function signingVerdict({ key, trySigning }: KeyProbe): Promise<readonly Verdict[]> {
  if (key.source.kind === 'local') {
    return [warning('its private key is a file', 'Use a key in KMS for everything but trying out.')];
  }
  if (trySigning === undefined) return [];
  await trySigning();
  return [ok('may be used for signing (asked by DryRun)')];
}

async function accessVerdict({ accessEnds }: KeyProbe, now: () => Date): Promise<readonly Verdict[]> {
  const ends = await accessEnds?.();
  if (ends === undefined) return [];
  const leftMs = ends.getTime() - now().getTime();
  const next = 'Make a new ClientKey in the KMS console, and name its file in the rules file.';
  if (leftMs <= 0) return [failure(`its ClientKey ended on ${ends.toISOString()}`, next)];
  return [
    leftMs < endsSoonMs
      ? warning(`its ClientKey ends on ${ends.toISOString()}`, next)
      : ok(`its ClientKey counts until ${ends.toISOString()}`),
  ];
}
