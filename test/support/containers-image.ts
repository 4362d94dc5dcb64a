import { type LineProgram, startLineProgram } from './line-program.ts';

interface PullRequest {
  /** `host/repository:tag` or `host/repository@sha256:…` */
  readonly reference: string;
  /** Path of a PEM file. */
  readonly publicKey: string;
  readonly identity: SignedIdentity;
}

/** What the signature's docker-reference is held against (containers-policy.json.5). */
type SignedIdentity =
  | { readonly type: 'matchRepository' | 'matchRepoDigestOrExact' }
  /** As `matchRepoDigestOrExact`, after the host that is pulled from was replaced. */
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

interface PullVerdict {
  readonly ok: boolean;
  /** Its own words when not ok. */
  readonly error?: string;
}

export type ContainersImage = LineProgram<PullRequest, PullVerdict>;

// The program gives up on a registry after 60 s; a little more, so that its reason is what a test shows.
const answerTimeoutMs = 70_000;

/** Starts the verifier on containers/image (`inject('containersImagePath')`): whether Podman, Skopeo or CRI-O would pull. */
export function startContainersImage(program: string): Promise<ContainersImage> {
  return startLineProgram(program, answerTimeoutMs);
}
