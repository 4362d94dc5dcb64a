import { type RegistryKind, registryKinds, startBenchGroup, startRegistry } from './bench-group.ts';
import { pushImages } from './push-images.ts';
import { type Scenario, type ScenarioContext, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const repositories = 200;
const fullTags = { referrers: 20_000, fallback: 2_000 } as const satisfies Record<RegistryKind, number>;
const backfillCommand = (rulesFile: string) => ['backfill', '--rules', rulesFile, '--wait', '--json'];
const idleTimeoutMs = 900_000;

interface Measured {
  readonly kind: RegistryKind;
  readonly tags: number;
  readonly seen: number;
  readonly queued: number;
  readonly firstMs: number;
  readonly walkMs: number;
}

/** How long it takes to find out that nothing is to be done. */
export const backfill: Scenario = {
  name: 'backfill',
  run: async (context) => {
    const measured: Measured[] = [];
    for (const kind of registryKinds) measured.push(await measure(kind, context));
    return {
      title: 'A registry that is signed already',
      text: [
        `Tags in ${repositories} repositories, each with an image of its own. First none of them is signed: the worker's own walk finds and queues them, and it signs them. Then all are signed, and \`autosign backfill --wait\` looks at every one again, 8 at a time: what it points at, its referrers, its signature, which is verified. From the start of the command to its end, beside an idle worker.`,
      ],
      ratios: [],
      table: {
        head: ['registry', 'tags', 'all unsigned: found and signed, s', 'all signed: looked at, s', 'tags a second'],
        rows: measured.map(({ kind, tags, firstMs, walkMs }) => [
          kind,
          tags,
          (firstMs / 1_000).toFixed(1),
          (walkMs / 1_000).toFixed(1),
          ((tags / walkMs) * 1_000).toFixed(0),
        ]),
      },
      counts: Object.fromEntries(
        measured.flatMap(({ kind, tags, seen, queued }) => [
          [`${kind} not seen`, tags - seen],
          [`${kind} unsigned`, queued],
        ]),
      ),
    };
  },
};

function measure(kind: RegistryKind, context: ScenarioContext): Promise<Measured> {
  return withParts(async (keep) => {
    const { host } = keep(await startRegistry(kind, context));
    const group = await startBenchGroup({ host }, keep);
    const tags = scaled(fullTags[kind], context, 20);
    await pushImages({ host, name: 'app', repositories, images: tags });
    const startedAt = performance.now();
    await group.startWorker();
    await group.services.queue.untilIdle(idleTimeoutMs);
    const firstMs = performance.now() - startedAt;
    const walkFrom = performance.now();
    const output = await group.services.run(backfillCommand(group.services.rulesFile));
    const walkMs = performance.now() - walkFrom;
    const { tags: seen, queued } = summaryOf(output);
    context.log(`${kind}: ${tags} tags in ${(walkMs / 1_000).toFixed(1)} s`);
    return { kind, tags, seen, queued, firstMs, walkMs };
  });
}

/** The last line of what the command prints. */
function summaryOf(output: string): { readonly tags: number; readonly queued: number } {
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}
