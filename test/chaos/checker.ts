import type { ContainersImage } from '../support/containers-image.ts';
import type { NotationVerifier } from '../support/notation-verifier.ts';
import { listCosignSignatures } from './read-cosign-signatures.ts';
import { type ListedSignature, listSignatures, type RegistryAddress } from './read-signatures.ts';

/** One signature that must be there. */
export interface Expected {
  /** Absent: notation. */
  readonly format?: 'cosign';
  readonly registry: RegistryAddress;
  readonly repository: string;
  /** `sha256:…` of the image's manifest. */
  readonly digest: string;
  /** What mode `default` binds beside the digest; absent: nothing, mode `minimal`. */
  readonly binding?: { readonly repository: string; readonly tag: string };
}

/** An image that may have no signature but those expected. */
export type Subject = Pick<Expected, 'registry' | 'repository' | 'digest'>;

/** Each entry names the image and what is wrong with it. */
export interface Findings {
  readonly lost: readonly string[];
  readonly double: readonly string[];
  readonly invalid: readonly string[];
  readonly foreign: readonly string[];
}

export interface CheckOptions {
  readonly expected: readonly Expected[];
  /** Signatures that may be there, once each, or not. */
  readonly permitted?: readonly Expected[];
  /** Images that must not be signed; any signature of theirs is foreign, unless it is expected or permitted too. */
  readonly forbidden?: readonly Subject[];
  /** Absent where Go is missing: then nothing counts as invalid but what does not hold together by itself. */
  readonly verifier: NotationVerifier | undefined;
  /** PEM file of the certificate that signatures must lead to. */
  readonly certificateFile: string;
  /** Who judges signatures of cosign, and the PEM file of their public key; absent where none is expected. */
  readonly cosign?: { readonly judge: ContainersImage; readonly publicKeyFile: string };
}

/** Nothing lost, nothing double, nothing invalid, nothing foreign. */
export const faultless: Findings = { lost: [], double: [], invalid: [], foreign: [] };

/**
 * Reads what the registries list for these images and compares it with what has to be there, one signature an
 * expectation. It shares no code with the service: plain HTTP, JSON and hashes, and notation-go or containers/image for
 * the verdict.
 */
export async function checkSignatures(options: CheckOptions): Promise<Findings> {
  const subjects = new Map<string, Subject>();
  const { expected, permitted = [], forbidden = [] } = options;
  for (const subject of [...expected, ...permitted, ...forbidden]) subjects.set(nameOf(subject), subject);
  const wanted = Map.groupBy(
    [...permitted.map((one) => ({ ...one, required: false })), ...expected.map((one) => ({ ...one, required: true }))],
    nameOf,
  );
  const findings: Findings[] = [];
  const left = [...subjects];
  const next = async () => {
    for (let entry = left.pop(); entry !== undefined; entry = left.pop()) {
      findings.push(await checkSubject(entry[1], wanted.get(entry[0]) ?? [], options));
    }
  };
  await Promise.all(Array.from({ length: readersAtOnce }, next));
  return {
    lost: findings.flatMap(({ lost }) => lost),
    double: findings.flatMap(({ double }) => double),
    invalid: findings.flatMap(({ invalid }) => invalid),
    foreign: findings.flatMap(({ foreign }) => foreign),
  };
}

// Registries on this machine; more would only wait for each other.
const readersAtOnce = 8;

interface Wanted extends Expected {
  readonly required: boolean;
}

async function checkSubject(subject: Subject, wanted: readonly Wanted[], options: CheckOptions): Promise<Findings> {
  const name = nameOf(subject);
  const findings = { lost: [] as string[], double: [] as string[], invalid: [] as string[], foreign: [] as string[] };
  const of = [subject.registry, subject.repository, subject.digest] as const;
  const [referrers, layers] = await Promise.all([listSignatures(...of), listCosignSignatures(...of)]);
  const listed = [...referrers, ...layers];
  const left = new Set(listed.filter(({ problem }) => problem === undefined));
  for (const { digest, problem } of listed)
    if (problem !== undefined) findings.invalid.push(`${name}: ${digest} ${problem}`);
  // Two events may ask for one signature: it counts once, and as required when one of them says so.
  for (const one of new Map(wanted.map((each) => [demandText(each), each])).values()) {
    const about = `${name} ${demandText(one)}`;
    const own = [...left].filter((signature) => isFor(signature, one));
    for (const signature of own) left.delete(signature);
    if (own.length === 0 && one.required) findings.lost.push(about);
    for (const extra of own.slice(1)) findings.double.push(`${about}: ${extra.digest}`);
    const refused = own.length === 0 ? undefined : await refusalOf(one, listed.length, options);
    if (refused !== undefined) findings.invalid.push(`${about}: ${refused}`);
  }
  for (const { digest, ...one } of left) findings.foreign.push(`${name}: ${digest} binds ${demandText(one)}`);
  return findings;
}

function isFor(signature: ListedSignature, wanted: Expected): boolean {
  return signature.subject === wanted.digest && demandText(signature) === demandText(wanted);
}

function demandText({ format = 'notation', binding }: Partial<Pick<ListedSignature, 'format' | 'binding'>>): string {
  return `${format} ${binding === undefined ? '(minimal)' : `${binding.repository}:${binding.tag}`}`;
}

function nameOf({ registry, repository, digest }: Subject): string {
  return `${registry.host}/${repository}@${digest}`;
}

/** The verifier's words when it accepts no signature with this binding. */
async function refusalOf(wanted: Expected, listed: number, options: CheckOptions): Promise<string | undefined> {
  const { binding } = wanted;
  if (wanted.format === 'cosign') return await refusalByPull(wanted, options);
  const verdict = await options.verifier?.verify({
    reference: nameOf(wanted),
    certificates: [options.certificateFile],
    ...(binding && { userMetadata: { 'autosign.repository': binding.repository, 'autosign.tag': binding.tag } }),
    maxSignatures: Math.max(1, listed),
  });
  if (verdict === undefined || verdict.ok) return undefined;
  return verdict.error ?? 'refused by notation-go';
}

/** Pulls by the tag that is bound, as Podman would; the host that is signed is another one than the registry's address. */
async function refusalByPull({ registry, repository, binding }: Expected, { cosign }: CheckOptions) {
  if (cosign === undefined || binding === undefined) throw new Error('signatures of cosign need a judge and a tag');
  const verdict = await cosign.judge.ask({
    reference: `${registry.host}/${repository}:${binding.tag}`,
    publicKey: cosign.publicKeyFile,
    identity: { type: 'remapIdentity', prefix: registry.host, signedPrefix: binding.repository.split('/')[0] ?? '' },
  });
  return verdict.ok ? undefined : (verdict.error ?? 'refused by containers/image');
}
