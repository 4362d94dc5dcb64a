import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, registryNames } from './chaos-setting.ts';
import type { Expected } from './checker.ts';

const pushIntervalMs = 50;

/** Images that are pushed and announced while something else happens. */
export interface PushStream {
  /** How many were pushed so far. */
  pushed(): number;
  /** How many events were not confirmed so far. */
  unconfirmed(): number;
  /** Pushes no more; gives the signatures that must be there in the end. */
  end(): Promise<readonly Expected[]>;
}

/** Pushes an image and posts its event once, twenty times a second, in turn to each registry, until it is ended. */
export function startStream(setting: ChaosSetting): PushStream {
  const pushes: Promise<Expected>[] = [];
  let unconfirmed = 0;
  const pushOne = async (): Promise<Expected> => {
    const registry = registryNames[pushes.length % registryNames.length] ?? 'fallback';
    const place = { registry, repository: uniqueRepository('stream'), tag: 'v1' };
    const { digest } = await setting.push(place);
    if ((await setting.group.post({ ...place, digest })) !== 202) unconfirmed += 1;
    return setting.expected(place, digest);
  };
  const timer = setInterval(() => pushes.push(pushOne()), pushIntervalMs);
  return {
    pushed: () => pushes.length,
    unconfirmed: () => unconfirmed,
    end: async () => {
      clearInterval(timer);
      return await Promise.all(pushes);
    },
  };
}
