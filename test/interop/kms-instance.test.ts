import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { createInstanceKeys } from '../../src/commands/open-instance-keys.ts';
import { createKeyOpener, timeouts } from '../../src/commands/open-keys.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { sample } from '../emulator/sample-config.ts';
import { startAccount } from '../integration/alibaba/account.ts';
import { startTlsFront } from '../integration/alibaba/tls-front.ts';
import { openJobs, pushOf } from '../integration/worker/open-jobs.ts';
import { makeClientKey } from '../support/client-keys.ts';
import { uniqueRepository } from '../support/names.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { signingKey } from '../support/signing-keys.ts';

const verifierPath = inject('verifierPath');
const made = makeClientKey({ encryption: 'PBE-SHA1-RC2-40' });

/** A worker's jobs whose key is in an emulated KMS instance, behind TLS with an authority of its own. */
async function openInstanceJobs(spec: 'RSA_2048' | 'EC_P256') {
  const is = signingKey(spec);
  const keyId = sample.keys[spec];
  const versions = [{ keyVersionId: sample.keyVersionId, privateKeyPem: is.privateKeyPem }];
  const { emulator } = await startAccount({
    keys: [{ keyId, spec, versions }],
    clientKeys: [{ id: made.id, publicKeyPem: made.publicKeyPem }],
  });
  const { endpoint, ca } = await startTlsFront(Number(emulator.host.split(':')[1]));
  const directory = mkdtempSync(join(tmpdir(), 'autosign-instance-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const [clientKeyFile, caFile] = [join(directory, 'client-key.json'), join(directory, 'ca.pem')];
  writeFileSync(clientKeyFile, made.fileText);
  writeFileSync(caFile, ca);
  const source = `kmsInstance: { endpoint: "${endpoint}", keyId: ${keyId}, clientKeyFile: ${clientKeyFile}, passwordEnv: PASSWORD, caFile: ${caFile} }`;
  const env = { PASSWORD: made.password };
  const instanceKeys = createInstanceKeys({ clock: systemClock, timeouts, env });
  const opener = createKeyOpener(systemClock, undefined, undefined, instanceKeys);
  return { emulator, ...(await openJobs({ key: { source, opener, is } })) };
}

describe.skipIf(verifierPath === undefined).each(['RSA_2048', 'EC_P256'] as const)(
  'a push signed by a key of spec %s in a KMS instance',
  (spec) => {
    let verifier: NotationVerifier;
    beforeAll(async () => {
      verifier = await startNotationVerifier(verifierPath ?? '');
    });
    afterAll(() => verifier.stop());

    test('is what notation-go accepts at trust level strict', async () => {
      const { emulator, run, host, ruleSet } = await openInstanceJobs(spec);
      const repository = uniqueRepository();
      const { digest } = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
      const verdict = await run(pushOf(repository));
      expect(verdict).toMatchObject({ next: 'done', outcome: { intents: [{ status: 'signed', format: 'notation' }] } });
      const certificate = ruleSet.keys.get('dev')?.certificateChain ?? '';
      const reference = `${host}/${repository}@${digest}`;
      expect(await verifier.verify({ reference, certificates: [certificate] })).toMatchObject({
        ok: true,
        signatures: 1,
      });
      expect(emulator.calls.map(({ action }) => action)).toEqual(['GetPublicKey', 'Sign']);
    });

    test('is not made of a signature that does not verify with the pinned key', async () => {
      const { emulator, run, host, access } = await openInstanceJobs(spec);
      emulator.faults.wrongSignatureNext = 1;
      const repository = uniqueRepository();
      const { digest } = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
      expect(await run(pushOf(repository))).toMatchObject({
        next: 'sleep',
        outcome: { intents: [{ status: 'waiting', code: 'signature-invalid' }] },
      });
      expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
    });

    test('waits while the instance throttles', async () => {
      const { emulator, run, host } = await openInstanceJobs(spec);
      emulator.faults.throttleNext = 1;
      const repository = uniqueRepository();
      await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
      expect(await run(pushOf(repository))).toMatchObject({
        next: 'sleep',
        outcome: { intents: [{ status: 'waiting', code: 'kms-throttled' }] },
      });
    });
  },
);
