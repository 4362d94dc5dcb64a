import { readFile } from 'node:fs/promises';
import { digestOf } from '../../src/domain/digest.ts';
import { notationJws } from '../../src/formats/notation-jws.ts';
import type { Binding } from '../../src/formats/signature-format.ts';
import type { ManifestArtifact } from '../../src/ports/signature-store.ts';
import { encodeArtifact } from '../../src/signing/artifact-record.ts';
import { bindingOf, type IntentScope, intentsOf } from '../../src/signing/intent.ts';
import { signingKey, trustedVersion } from '../support/signing-keys.ts';
import type { ChaosSetting, Tagged } from './chaos-setting.ts';
import type { OpenWorker } from './open-worker.ts';

/** A signature that the rules demand of an image, as anybody can compute it. */
export interface Intended {
  readonly scope: IntentScope;
  readonly binding: Binding;
  /** Where a worker stores its artifact. */
  readonly redisKey: string;
}

/** The one signature that the rule of the image's namespace demands, with the key `release`. */
export async function intendedFor(worker: OpenWorker, place: Tagged): Promise<Intended> {
  const { ruleSet, keyRing, registries } = worker.state.current();
  const access = registries.get(place.registry);
  const [namespace = ''] = place.repository.split('/');
  const rule = ruleSet.rules.find(({ namespaces }) => namespaces?.include.includes(namespace));
  const key = keyRing.get('release');
  if (access === undefined || rule === undefined || key.state !== 'ready') throw new Error('the rules name all three');
  const { descriptor: subject } = await access.client.getManifest(place.repository, place.tag);
  const scope = { ...place, registry: access.registry, subject };
  const [intent] = intentsOf([{ rule, format: 'notation', signingKey: key.signingKey }], scope);
  if (intent === undefined) throw new Error('a rule demands one signature at the least');
  return { scope, binding: bindingOf(rule, 'notation', scope), redisKey: `${worker.prefix}:intent:${intent.id}` };
}

type Signed = Pick<Intended, 'scope' | 'binding'>;
type Forge = (setting: ChaosSetting, intended: Intended, other: Intended) => Promise<Uint8Array>;

/** What is stored in place of the artifact of `intended`; `other` is the signature of another image. */
export const forgeries: Readonly<Record<string, Forge>> = {
  'by a key of theirs': async (_, intended) => encodeArtifact(await artifactBy('stranger', intended)),
  'by a key of theirs that shows our certificate': async (setting, intended) =>
    encodeArtifact(await artifactBy('stranger', intended, setting)),
  'of ours for another image': async (setting, _, other) => encodeArtifact(await artifactBy('release', other, setting)),
  'of ours that binds something else': async (setting, { scope, binding }) => {
    const elsewhere = { mode: 'default', repository: 'registry.example.com/prod/other', tag: 'v1' } as const;
    const otherBinding = binding.mode === 'minimal' ? elsewhere : ({ mode: 'minimal' } as const);
    return encodeArtifact(await artifactBy('release', { scope, binding: otherBinding }, setting));
  },
  'of ours attached to another image': async (setting, intended, other) => {
    const { mediaType, digest, size } = other.scope.subject;
    return encodeArtifact(
      withManifest(await artifactBy('release', intended, setting), { subject: { mediaType, digest, size } }),
    );
  },
  'of ours with a blob of theirs': async (setting, intended) => {
    const artifact = await artifactBy('release', intended, setting);
    const bytes = Buffer.from('whatever they want to keep in our registry');
    const blob = { mediaType: 'application/octet-stream', digest: digestOf(bytes), bytes };
    return encodeArtifact({ ...artifact, blobs: [...artifact.blobs, blob] });
  },
  'that is no signature': async () => Buffer.from('{"version":1,"mediaType":"x","manifest":"e30=","blobs":[]}'),
  'that is no JSON': async () => Buffer.from('not JSON'),
  'of a megabyte': async () => Buffer.alloc(1024 * 1024, '['),
};

/** An artifact over this subject and binding. @param setting gives our certificate; absent: one of the key's own */
async function artifactBy(name: string, { scope, binding }: Signed, setting?: ChaosSetting) {
  const key = signingKey('EC_P256', name);
  const certificatePem = setting && (await readFile(setting.group.certificateFile, 'utf8'));
  const chainOf = signingKey('EC_P256', setting ? 'release' : name);
  const { chain } = await trustedVersion(chainOf, certificatePem === undefined ? {} : { certificatePem });
  const prepared = notationJws.prepare({
    subject: scope.subject,
    binding,
    algorithm: 'ECDSA_SHA_256',
    certificateChain: chain,
    signingTime: new Date(),
  });
  const { signature } = await key.signer.sign('ECDSA_SHA_256', prepared.signedBytes);
  return prepared.finish(signature);
}

function withManifest(artifact: ManifestArtifact, more: object): ManifestArtifact {
  const manifest = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(artifact.manifest).toString()), ...more }));
  return { ...artifact, manifest, descriptor: { ...artifact.descriptor, digest: digestOf(manifest) } };
}
