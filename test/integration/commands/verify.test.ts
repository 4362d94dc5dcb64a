import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { type PushedImage, pushImage } from '../../../infra/images/push-image.ts';
import { pushBlob, putManifest } from '../../../infra/images/registry-upload.ts';
import { startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import type { Binding } from '../../../src/formats/signature-format.ts';
import type { LayerArtifact, ManifestArtifact } from '../../../src/ports/signature-store.ts';
import { sampleConfig } from '../../emulator/sample-config.ts';
import { startEmulator } from '../../emulator/start-emulator.ts';
import { tamperedArtifact } from '../../interop/tampered-artifact.ts';
import { signWithCosign } from '../../support/cosign-artifacts.ts';
import { uniqueRepository } from '../../support/names.ts';
import { signWithNotation } from '../../support/notation-artifacts.ts';
import { signingCertificate, signingKey, trustedVersion } from '../../support/signing-keys.ts';
import { directoryWith, runCommand } from './run-command.ts';

const host = inject('fallbackHost');
const key = signingKey('EC_P256');
const tag = 'v1';
let certificatePem = '';
beforeAll(async () => {
  certificatePem = await signingCertificate(key);
});

type AtEnd = (cleanUp: () => Promise<void> | void) => void;

/** The rules file of a verifier: it holds no private key. */
function rulesFor(
  atEnd: AtEnd,
  options: { mode?: string; registry?: string; deny?: string; at?: string; formats?: string } = {},
) {
  const { mode = 'default', registry = '', deny = '', at = host, formats = 'notation' } = options;
  const text = `version: 1
registries: [{ name: lab, host: "${at}", plainHttp: true${registry} }]
keys:
  - name: release
    spec: EC_P256
    local: { privateKeyFile: none.pem }
    publicKeyFile: release.pub.pem
    publicKeySha256: "${key.publicKeySha256}"
    certificateChain: release-chain.pem
rules: [{ name: all, registries: [lab], namespaces: { include: [prod] }, mode: ${mode}, formats: [${formats}], key: release, algorithm: ECDSA_SHA_256 }]
${deny}`;
  const files = { 'rules.yaml': text, 'release.pub.pem': key.publicKeyPem, 'release-chain.pem': certificatePem };
  return join(directoryWith(files, atEnd), 'rules.yaml');
}

async function push(repository = uniqueRepository()) {
  return { repository, image: await pushImage({ host, repository, tag, kind: 'oci-manifest' }) };
}

async function signatureOf({ digest, mediaType, size }: PushedImage, binding: Binding): Promise<ManifestArtifact> {
  const subject = { digest, mediaType, size };
  return signWithNotation(key, await trustedVersion(key, { certificatePem }), { subject, binding });
}

/** Puts a signature beside an image by the fallback tag, without a line of the code under test. */
async function attach(repository: string, image: PushedImage, artifact: ManifestArtifact): Promise<void> {
  const target = { host, repository };
  for (const { bytes } of artifact.blobs) await pushBlob(target, bytes);
  await putManifest(target, artifact.descriptor.digest, artifact.descriptor.mediaType, artifact.manifest);
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = { schemaVersion: 2, mediaType, manifests: [artifact.descriptor] };
  await putManifest(target, image.digest.replace(':', '-'), mediaType, Buffer.from(JSON.stringify(index)));
}

/** Puts signatures under cosign's tag, without a line of the code under test. */
async function attachLayers(repository: string, image: PushedImage, layers: readonly LayerArtifact[]): Promise<void> {
  const target = { host, repository };
  const config = await pushBlob(target, Buffer.from('{}'));
  for (const { blobs } of layers) await pushBlob(target, blobs[0].bytes);
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
    layers: layers.map(({ descriptor }) => descriptor),
  };
  const sigTag = `${image.digest.replace(':', '-')}.sig`;
  await putManifest(target, sigTag, manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
}

function cosigned({ digest, mediaType, size }: PushedImage, binding: Binding, by = key) {
  return signWithCosign(by, { subject: { digest, mediaType, size }, binding });
}

function verify(rulesFile: string, reference: string, env: Record<string, string> = {}) {
  return runCommand(['verify', reference, '--rules', rulesFile, '--json'], env);
}

const bound = (repository: string): Binding => ({ mode: 'default', repository: `${host}/${repository}`, tag });

describe.concurrent('autosign verify', () => {
  test('says valid of a signed image, for people and for scripts', async ({ onTestFinished }) => {
    const { repository, image } = await push();
    const signature = await signatureOf(image, bound(repository));
    await attach(repository, image, signature);
    const rulesFile = rulesFor(onTestFinished);
    const reference = `${host}/${repository}:${tag}`;

    const { code, stdout } = await verify(rulesFile, reference);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      reference,
      digest: image.digest,
      verdict: 'valid',
      checks: [{ rule: 'all', key: 'release', mode: 'default', valid: true, signature: signature.descriptor.digest }],
    });
    const text = await runCommand(['verify', reference], { AUTOSIGN_RULES: rulesFile });
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/: valid\n {2}valid {4}rule all, key release, notation, mode default: sha256:/);
  });

  test('checks each format that a rule demands', async ({ onTestFinished }) => {
    const { repository, image } = await push();
    const layer = await cosigned(image, bound(repository));
    await attachLayers(repository, image, [layer]);
    const rulesFile = rulesFor(onTestFinished, { formats: 'notation, cosign' });
    const reference = `${host}/${repository}:${tag}`;

    const half = await verify(rulesFile, reference);
    expect(half.code).toBe(4);
    expect(JSON.parse(half.stdout)).toMatchObject({
      verdict: 'not-signed',
      checks: [
        { format: 'notation', valid: false },
        { format: 'cosign', valid: true, signature: layer.descriptor.digest },
      ],
    });
    await attach(repository, image, await signatureOf(image, bound(repository)));
    expect((await verify(rulesFile, reference)).code).toBe(0);
  });

  test('of cosign, finds ours beside others of the same payload, and says not signed without it', async ({
    onTestFinished,
  }) => {
    const { repository, image } = await push();
    const binding: Binding = { mode: 'minimal', repository: `${host}/${repository}` };
    const foreign = await cosigned(image, binding, signingKey('EC_P256', 'stranger'));
    const rulesFile = rulesFor(onTestFinished, { formats: 'cosign', mode: 'minimal' });
    const reference = `${host}/${repository}@${image.digest}`;

    await attachLayers(repository, image, [foreign]);
    const without = await verify(rulesFile, reference);
    expect(without.code).toBe(4);
    expect(JSON.parse(without.stdout)).toMatchObject({ checks: [{ refused: [{ reason: 'untrusted' }] }] });

    await attachLayers(repository, image, [foreign, await cosigned(image, binding)]);
    expect((await verify(rulesFile, reference)).code).toBe(0);
  });

  test('checks a digest alone against the rules of mode minimal', async ({ onTestFinished }) => {
    const { repository, image } = await push();
    await attach(repository, image, await signatureOf(image, { mode: 'minimal' }));
    const reference = `${host}/${repository}@${image.digest}`;

    expect((await verify(rulesFor(onTestFinished, { mode: 'minimal' }), reference)).code).toBe(0);
    const { code, stdout } = await verify(rulesFor(onTestFinished), reference);
    expect(code).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'no-rule' });
  });

  test.for([
    ['signature', 'signature'],
    ["payload's digest", "payload's digest"],
    ["metadata's tag", "metadata's tag"],
  ] as const)('says invalid, with 3, when one byte of the %s was changed', async ([, what], { onTestFinished }) => {
    const { repository, image } = await push();
    await attach(repository, image, tamperedArtifact(await signatureOf(image, bound(repository)), what));
    const { code, stdout } = await verify(rulesFor(onTestFinished), `${host}/${repository}:${tag}`);
    expect(code, stdout).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'invalid', checks: [{ valid: false, refused: [{}] }] });
  });

  test('says not signed, with 4, of an image without a signature, and of one signed for another tag', async ({
    onTestFinished,
  }) => {
    const { repository, image } = await push();
    const rulesFile = rulesFor(onTestFinished);
    const reference = `${host}/${repository}:${tag}`;
    const bare = await verify(rulesFile, reference);
    expect(bare.code).toBe(4);
    expect(JSON.parse(bare.stdout)).toMatchObject({ verdict: 'not-signed', checks: [{ valid: false, refused: [] }] });

    await attach(repository, image, await signatureOf(image, { ...bound(repository), tag: 'v2' } as Binding));
    const other = await verify(rulesFile, reference);
    expect(other.code).toBe(4);
    expect(JSON.parse(other.stdout)).toMatchObject({ checks: [{ refused: [{ reason: 'other-binding' }] }] });
  });

  test('says no rule, with 5, of an image that none covers and of a host that none names', async ({
    onTestFinished,
  }) => {
    const { repository } = await push(uniqueRepository('app', 'test'));
    const rulesFile = rulesFor(onTestFinished);
    expect((await verify(rulesFile, `${host}/${repository}:${tag}`)).code).toBe(5);
    const unknown = await verify(rulesFile, 'registry.example.com/prod/app:v1');
    expect(unknown.code).toBe(5);
    expect(JSON.parse(unknown.stdout).reason).toContain('no registry of the rules has the host registry.example.com');
  });

  test('says denied, with 6, of a signed image on the deny list', async ({ onTestFinished }) => {
    const { repository, image } = await push();
    await attach(repository, image, await signatureOf(image, bound(repository)));
    const deny = `deny: [{ digest: "${image.digest}", reason: leaked credential, until: null }]\n`;
    const { code, stdout } = await verify(rulesFor(onTestFinished, { deny }), `${host}/${repository}:${tag}`);
    expect(code).toBe(6);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'denied', reason: 'leaked credential' });
  });

  test('fails with 1 for a tag that is not there', async ({ onTestFinished }) => {
    const { code, stderr } = await verify(rulesFor(onTestFinished), `${host}/${uniqueRepository()}:${tag}`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^autosign: /);
  });

  test('fails with 8 when the registry is not there', async ({ onTestFinished }) => {
    // Nobody listens on port 1.
    const rulesFile = rulesFor(onTestFinished, { at: '127.0.0.1:1' });
    const { code, stderr } = await verify(rulesFile, '127.0.0.1:1/prod/app:v1');
    expect(code, stderr).toBe(8);
    expect(stderr).toContain('127.0.0.1:1');
  });

  test('fails with 1 when the certificate of the key is not one, and names its file', async ({ onTestFinished }) => {
    const { repository } = await push();
    const rulesFile = rulesFor(onTestFinished);
    writeFileSync(join(rulesFile, '../release-chain.pem'), '');
    const { code, stderr } = await verify(rulesFile, `${host}/${repository}:${tag}`);
    expect(code).toBe(1);
    expect(stderr).toContain('release-chain.pem');
  });

  test('logs in with the password of the variable that the rules name; fails with 1 when it is wrong or not set', async ({
    onTestFinished,
  }) => {
    const robot = { username: 'robot', password: 'the-password-of-the-robot' };
    const grants = [{ repository: 'prod/*', actions: ['pull' as const] }];
    const emulator = await startEmulator(sampleConfig({ tokenService: { users: [{ ...robot, grants }] } }).config);
    onTestFinished(() => emulator.close());
    const registry = await startDockerRegistry({ tokenAuth: emulator.tokenService });
    onTestFinished(() => registry.stop());
    const login = `, login: { username: robot, passwordEnv: LAB_PASSWORD }, realms: ["${emulator.tokenService.realm}"]`;
    const rulesFile = rulesFor(onTestFinished, { at: registry.host, registry: login });
    const reference = `${registry.host}/${uniqueRepository()}:${tag}`;

    const right = await verify(rulesFile, reference, { LAB_PASSWORD: robot.password });
    expect(right.stderr).toMatch(/not found|is not there|unknown/i);
    const wrong = await verify(rulesFile, reference, { LAB_PASSWORD: 'hunter2' });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/401/);
    expect(wrong.stderr).not.toContain('hunter2');
    const unset = await verify(rulesFile, reference);
    expect(unset.code).toBe(1);
    expect(unset.stderr).toContain('the variable LAB_PASSWORD is not set');
  });
});
