import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PushedImage } from '../../infra/images/push-image.ts';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, registryNames, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import type { FaultPolicy } from './fault.ts';
import { report, scale } from './report.ts';
import { digestText } from './sha256.ts';

const lanesPerRegistry = 4;
const moves = 200 * scale;
// At about every fourth request of a job its tag moves: most jobs see one move, some see several, some none.
const moveChance = 0.25;

describe.skipIf(!canRun)('tags that move between event, resolution and signature', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting();
    const { group } = setting;
    await Promise.all([group.startReceiver(), group.startWorker('first'), group.startWorker('second')]);
  });
  afterAll(() => setting?.stop());

  test('no digest is signed that the tag did not point at when it was resolved, and the last one is signed', async () => {
    const { group, proxies } = setting;
    const startedAt = performance.now();
    const lanes = await Promise.all(
      registryNames.flatMap((registry) =>
        Array.from({ length: lanesPerRegistry }, () => openLane(setting, { registry })),
      ),
    );
    let left = moves;
    const move = async (lane: Lane) => {
      if (left <= 0) return;
      left -= 1;
      await lane.move();
    };
    for (const registry of registryNames) {
      proxies[registry].setPolicy(
        raceWith(
          lanes.filter((lane) => lane.place.registry === registry),
          move,
        ),
      );
    }
    while (left > 0) {
      await Promise.all(lanes.map(move));
      await group.queue.untilIdle();
    }
    await Promise.all(lanes.map((lane) => lane.announced()));
    await group.queue.untilIdle();

    const findings = await setting.check(verdictOn(setting, lanes));
    const pushes = lanes.reduce((sum, lane) => sum + lane.digests().length, 0);
    report({ scenario: 'a tag race', rounds: moves, pushes, faults: moves, findings, startedAt });
    expect(findings).toEqual(faultless);
    const resolved = lanes.reduce((sum, lane) => sum + resolvedDigests(setting, lane).size, 0);
    expect(resolved).toBeGreaterThan(moves / 10);
  });
});

interface Lane {
  readonly place: Tagged;
  /** Points the tag at an image that was never there, and has it announced without waiting for the answer. */
  move(): Promise<void>;
  /** Resolved when every announcement was answered. */
  announced(): Promise<void>;
  /** Everything the tag has pointed at, oldest first. */
  digests(): readonly string[];
}

async function openLane(setting: ChaosSetting, { registry }: Pick<Tagged, 'registry'>): Promise<Lane> {
  const place = { registry, repository: uniqueRepository('race'), tag: 'v1' };
  const base = await setting.push({ ...place, tag: 'unwanted' }, 'race');
  const digests: string[] = [];
  const announcements: Promise<unknown>[] = [];
  let last = Promise.resolve();
  const moveOnce = async () => {
    const manifest = variantOf(base, digests.length);
    await putManifest({ host: setting.registries[registry].host, ...place }, place.tag, base.mediaType, manifest);
    digests.push(digestText(manifest));
    announcements.push(setting.group.post({ ...place, digest: digestText(manifest) }));
  };
  return {
    place,
    move: () => {
      last = last.then(moveOnce);
      return last;
    },
    announced: async () => {
      await Promise.all(announcements);
    },
    digests: () => digests,
  };
}

/** The same image with another annotation, so that one request makes a new digest. */
function variantOf({ manifest }: PushedImage, round: number): Uint8Array {
  const parsed = JSON.parse(Buffer.from(manifest).toString('utf8'));
  return Buffer.from(JSON.stringify({ ...parsed, annotations: { 'test.round': String(round) } }));
}

function raceWith(lanes: readonly Lane[], move: (lane: Lane) => Promise<void>): FaultPolicy {
  return async ({ path }) => {
    const lane = lanes.find(({ place }) => path.includes(`/${place.repository}/`));
    if (lane === undefined || Math.random() > moveChance) return undefined;
    if (Math.random() < 0.5) return { kind: 'answered', call: () => move(lane) };
    await move(lane);
    return undefined;
  };
}

/** What workers were told that the tag points at, by the bytes that went to them. */
function resolvedDigests({ proxies }: ChaosSetting, { place }: Lane): ReadonlySet<string> {
  const path = `/v2/${place.repository}/manifests/${place.tag}`;
  const asked = proxies[place.registry].requests.filter((request) => request.method === 'GET' && request.path === path);
  return new Set(asked.flatMap(({ targetDigest }) => targetDigest ?? []));
}

function verdictOn(setting: ChaosSetting, lanes: readonly Lane[]) {
  return {
    expected: lanes.map((lane) => setting.expected(lane.place, lane.digests().at(-1) ?? '')),
    permitted: lanes.flatMap((lane) =>
      [...resolvedDigests(setting, lane)].map((digest) => setting.expected(lane.place, digest)),
    ),
    forbidden: lanes.flatMap((lane) => lane.digests().map((digest) => setting.subject(lane.place, digest))),
  };
}
