import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, registryNames } from './chaos-setting.ts';
import type { Expected } from './checker.ts';

const pushIntervalMs = 50;
// So that no two streams push the same tag.
let streams = 0;

/** Images that are pushed and announced while something else happens. */
export interface PushStream {
  /** How many were pushed so far. */
  pushed(): number;
  /** How many events were not confirmed so far. */
  unconfirmed(): number;
  /** Pushes no more; gives the signatures that must be there in the end. */
  end(): Promise<readonly Expected[]>;
}

// The registry with the referrers API lists its catalogue in random order and without pages, so it is kept below a page.
const repositoriesMax = 200;
const repositoriesOf = new WeakMap<ChaosSetting, readonly string[]>();

/** The repositories of all streams of one setting, used in turn. */
function repositoryFor(setting: ChaosSetting, push: number): string {
  const known =
    repositoriesOf.get(setting) ?? Array.from({ length: repositoriesMax }, () => uniqueRepository('stream'));
  repositoriesOf.set(setting, known);
  return known[push % known.length] ?? uniqueRepository('stream');
}

/** Pushes an image and posts its event once, twenty times a second, in turn to each registry, until it is ended. */
export function startStream(setting: ChaosSetting, intervalMs = pushIntervalMs): PushStream {
  streams += 1;
  const pushes: Promise<Expected>[] = [];
  let unconfirmed = 0;
  const pushOne = async (): Promise<Expected> => {
    const registry = registryNames[pushes.length % registryNames.length] ?? 'fallback';
    const place = { registry, repository: repositoryFor(setting, pushes.length), tag: `v${streams}-${pushes.length}` };
    const { digest } = await setting.push(place);
    if ((await setting.group.post({ ...place, digest })) !== 202) unconfirmed += 1;
    return setting.expected(place, digest);
  };
  const timer = setInterval(() => pushes.push(pushOne()), intervalMs);
  return {
    pushed: () => pushes.length,
    unconfirmed: () => unconfirmed,
    end: async () => {
      clearInterval(timer);
      return await Promise.all(pushes);
    },
  };
}
