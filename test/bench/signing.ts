import { pushBlob } from '../../infra/images/registry-upload.ts';
import { signingKey } from '../support/signing-keys.ts';
import { type BareRun, runBareLoop } from './bare-loop.ts';
import {
  type BenchSpec,
  benchSpecs,
  type RegistryKind,
  registryKinds,
  startBenchGroup,
  startRegistry,
} from './bench-group.ts';
import { countRequests } from './count-requests.ts';
import { measureService, type ServiceRun } from './measure-service.ts';
import { pushImages } from './push-images.ts';
import { describeKinds, type RequestKind } from './request-kinds.ts';
import { type Ratio, type Scenario, type ScenarioContext, scaled } from './scenario.ts';
import { withParts } from './with-parts.ts';

const repositories = 20;
// AUTOSIGN_CONCURRENCY as the worker has it by default.
const atOnce = 16;
const ratioAim = 0.8;
/** The notation command line on the same registry and size of machine, four at once, measured elsewhere. */
const notationPerSecond = 245;

interface Measured {
  readonly kind: RegistryKind;
  readonly spec: BenchSpec;
  readonly kinds: readonly RequestKind[];
  readonly images: number;
  readonly service: ServiceRun;
  readonly bare: BareRun;
}

/** Signatures a second from the webhook to the read-back, against a bare loop with the same requests and key. */
export const signing: Scenario = {
  name: 'signing',
  run: async (context) => {
    const measured: Measured[] = [];
    for (const kind of registryKinds) {
      for (const spec of benchSpecs) measured.push(await measure(kind, spec, context));
    }
    return {
      title: 'Signatures a second',
      text: textOf(measured),
      ratios: measured.flatMap(ratiosOf),
      table: {
        head: [
          'registry, key',
          'requests an image',
          'service/s',
          'bare loop/s',
          'ratio',
          'CPU ms an image: worker',
          'bare loop',
        ],
        rows: measured.map((one) => [
          `${one.kind}, ${one.spec}`,
          one.kinds.length,
          Math.round(servicePerSecond(one)),
          Math.round(barePerSecond(one)),
          ratioOf(one).toFixed(2),
          (one.service.workerCpuMs / one.images).toFixed(2),
          (one.bare.cpuMs / one.images).toFixed(2),
        ]),
      },
      counts: Object.fromEntries(
        measured.flatMap(({ kind, spec, service, images, kinds }) => [
          [`${kind} ${spec} unsigned`, images - service.signed],
          [`${kind} ${spec} requests`, kinds.length],
        ]),
      ),
    };
  },
};

async function measure(kind: RegistryKind, spec: BenchSpec, context: ScenarioContext): Promise<Measured> {
  const kinds = await countRequests(kind, spec, context);
  const images = scaled(2_000, context, 20);
  const measured = await withParts(async (keep) => {
    const registry = keep(await startRegistry(kind, context));
    const { host } = registry;
    const group = await startBenchGroup({ host, spec }, keep);
    const running = { worker: await group.startWorker(), receiver: await group.services.startReceiver() };
    // Both begin warm: compiled code, kept connections, known configs.
    const warm = Math.ceil(images / 10);
    await measureService(group, running, await pushImages({ host, name: 'app', repositories, images: warm }));
    const offset = { host, name: 'app', repositories, images, firstTag: warm };
    const service = await measureService(group, running, await pushImages(offset));
    return { kind, spec, kinds, images, service };
  });
  const result = { ...measured, bare: await measureBareLoop(measured, context) };
  const cpu = (result.service.workerCpuMs / images).toFixed(2);
  const perSecond = `${servicePerSecond(result).toFixed(0)}/s, bare ${barePerSecond(result).toFixed(0)}/s`;
  context.log(
    `${kind}, ${spec}: ${perSecond}; processor ${cpu} ms an image, bare ${(result.bare.cpuMs / images).toFixed(2)} ms`,
  );
  return result;
}

/** On a registry of its own, so that it finds what the service found; the empty config is there already. */
function measureBareLoop({ kind, spec, kinds, images }: Omit<Measured, 'bare'>, context: ScenarioContext) {
  return withParts(async (keep) => {
    const { host } = keep(await startRegistry(kind, context));
    const loop = { host, key: signingKey(spec), kinds, atOnce };
    const warm = Math.ceil(images / 10);
    const warming = await pushImages({ host, name: 'app', repositories, images: warm });
    const measuring = await pushImages({ host, name: 'app', repositories, images, firstTag: warm });
    for (const repository of new Set(measuring.map((image) => image.repository))) {
      await pushBlob({ host, repository }, Buffer.from('{}'));
    }
    await runBareLoop({ ...loop, images: warming });
    return await runBareLoop({ ...loop, images: measuring });
  });
}

function servicePerSecond({ images, service }: Measured): number {
  return (images / service.elapsedMs) * 1_000;
}

function barePerSecond({ images, bare }: Measured): number {
  return (images / bare.elapsedMs) * 1_000;
}

function ratioOf(measured: Measured): number {
  return servicePerSecond(measured) / barePerSecond(measured);
}

function ratiosOf(measured: Measured): readonly Ratio[] {
  const { kind, spec } = measured;
  const perSecond = servicePerSecond(measured);
  const ratio = ratioOf(measured);
  const against = {
    what: `signatures, ${kind}, ${spec}`,
    measured: `${perSecond.toFixed(0)}/s`,
    against: `bare loop ${barePerSecond(measured).toFixed(0)}/s`,
    ratio,
    aim: `${ratioAim}`,
    reached: ratio >= ratioAim,
  };
  if (kind !== 'referrers' || spec !== 'RSA_2048') return [against];
  const notation = perSecond / notationPerSecond;
  return [
    against,
    {
      what: against.what,
      measured: against.measured,
      against: `notation command line, four at once, ${notationPerSecond}/s (measured elsewhere)`,
      ratio: notation,
      aim: '3',
      reached: notation >= 3,
    },
  ];
}

function textOf(measured: readonly Measured[]): readonly string[] {
  const images = measured[0]?.images ?? 0;
  return [
    `${images} images in ${repositories} repositories, from the first webhook to the last read-back; one receiver, one worker with ${atOnce} jobs at once, a local key, mode \`default\`, JWS. The bare loop sends the same requests for each image, as many at once, and signs once with the same key; it checks, parses and keeps nothing.`,
    ...registryKinds.map((kind) => {
      const { kinds = [] } = measured.find((one) => one.kind === kind) ?? {};
      return `Requests an image, ${kind}: ${describeKinds(kinds)}.`;
    }),
  ];
}
