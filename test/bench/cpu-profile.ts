import { readFile } from 'node:fs/promises';

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}

/** What `node --cpu-prof` writes, as far as it is read here. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileSummary {
  /** Time in which the thread was not idle, in milliseconds; it includes what the machine took away from it. */
  readonly busyMs: number;
  /** The largest first; `share` of the busy time, 0 to 1. */
  readonly owners: readonly { readonly name: string; readonly share: number }[];
}

// Only a signature calls a function there; before it the worker loads its modules, whose own code has no name.
const signingPath = '/src/signing/';

/**
 * Adds up a worker's profile, from its first signature on, by whom the time is spent for: the nearest caller that is a
 * function of ours or a package. What Node and the kernel do (sockets, files, cryptography) counts for who asked.
 */
export async function summariseProfile(file: string): Promise<ProfileSummary> {
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(file, 'utf8')) as CpuProfile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const spent = new Map<string, number>();
  let busy = 0;
  let begun = false;
  for (const [index, id] of samples.entries()) {
    const { functionName, url } = frames.get(id) ?? { functionName: '(unknown)', url: '' };
    const delta = timeDeltas[index] ?? 0;
    begun ||= url.includes(signingPath) && functionName !== '';
    if (!begun || functionName === '(idle)') continue;
    busy += delta;
    const owner = ownerOf(id, frames, parents) ?? (url === '' ? functionName : 'Node itself');
    spent.set(owner, (spent.get(owner) ?? 0) + delta);
  }
  const owners = [...spent].map(([name, time]) => ({ name, share: time / Math.max(1, busy) }));
  return { busyMs: busy / 1_000, owners: owners.sort((a, b) => b.share - a.share) };
}

function ownerOf(
  id: number,
  frames: ReadonlyMap<number, CallFrame>,
  parents: ReadonlyMap<number, number>,
): string | undefined {
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const { url = '', functionName = '' } = frames.get(at) ?? {};
    const dependency = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
    if (dependency !== undefined) return dependency;
    const own = /\/(src\/.*)$/.exec(url)?.[1];
    if (own !== undefined) return functionName === '' ? own : `${own} ${functionName}`;
  }
  return undefined;
}
