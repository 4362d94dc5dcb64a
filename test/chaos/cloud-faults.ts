import type { Emulator } from '../emulator/start-emulator.ts';
import type { EmulatedAcr } from './emulated-acr.ts';

type Cloud = Pick<EmulatedAcr, 'emulator' | 'registries'>;

/** One thing that goes wrong at Alibaba Cloud, until `heal`. */
export interface CloudFault {
  readonly name: string;
  /** Begins it. What it gives tells how often it has struck since. */
  readonly strike: (cloud: Cloud) => () => number;
  /** How often it is to strike. */
  readonly least: number;
  /** The line of a worker's log that says what is wrong and what to do; absent where a worker copes without a word. */
  readonly told?: RegExp;
}

const forEver = 1_000_000;
const unavailable = { status: 503, code: 'ServiceUnavailable' } as const;
const badGateway = { status: 502, code: 'none', body: '<html>502 Bad Gateway</html>' } as const;
/** Status by which a registry refuses a bearer token. */
const unauthorized = 401;

/** In the order of a push: the login, the registry, the key. Those that pause the same thing do not follow each other. */
export const cloudFaults: readonly CloudFault[] = [
  {
    name: 'KMS throttled by a counter',
    least: 4,
    strike: ({ emulator }) => {
      emulator.faults.throttleNext = forEver;
      return refusalsOf(emulator, 'AsymmetricSign', 'Rejected.Throttling');
    },
    told: /Rejected\.Throttling.*tried again more slowly\. Raise the KMS quota if it lasts/,
  },
  {
    name: 'every bearer token over',
    least: 4,
    strike: ({ emulator, registries }) => {
      emulator.acr.expireTokens();
      return refusalsBy(registries, unauthorized);
    },
  },
  {
    name: 'sessions over soon after they begin',
    least: 2,
    strike: ({ emulator }) => {
      const refused = refusalsOf(emulator, 'AsymmetricSign', 'InvalidSecurityToken.Expired');
      // Each time that somebody asks: a worker that holds one meanwhile is refused, whichever lives on to tell.
      return () => {
        emulator.expireSessions();
        return refused();
      };
    },
    told: /AsymmetricSign.*InvalidSecurityToken\.Expired.*If it lasts, check the source of the worker's own identity/,
  },
  {
    name: 'the registry answers 503',
    least: 9,
    strike: ({ registries }) => {
      for (const { faults } of registries) faults.failNext = { count: forEver, status: 503 };
      return refusalsBy(registries, 503);
    },
    told: /the registry answered 503; try again later/,
  },
  {
    name: 'KMS throttled at a rate',
    least: 4,
    strike: ({ emulator }) => {
      emulator.faults.signaturesPerSecond = 1;
      return refusalsOf(emulator, 'AsymmetricSign', 'Rejected.Throttling');
    },
  },
  {
    name: 'GetAuthorizationToken refuses inside a 200',
    least: 2,
    strike: ({ emulator }) => {
      emulator.acr.faults.failInsideNext = { count: forEver, code: 'NoPrivilege', action: 'GetAuthorizationToken' };
      endLogins(emulator);
      return refusalsOf(emulator, 'GetAuthorizationToken', 'NoPrivilege');
    },
    told: /GetAuthorizationToken.*NoPrivilege.*Allow cr:GetAuthorizationToken to the worker's own identity/,
  },
  {
    name: 'wrong signatures',
    least: 1,
    strike: ({ emulator }) => {
      emulator.faults.wrongSignatureNext = forEver;
      return () => forEver - emulator.faults.wrongSignatureNext;
    },
    told: /not its signature .*Compare publicKeyFile with the key version in KMS/,
  },
  {
    name: 'the registry answers 401 to good tokens',
    least: 3,
    strike: ({ registries }) => {
      for (const { faults } of registries) faults.unauthorizedNext = 3;
      return refusalsBy(registries, unauthorized);
    },
  },
  {
    name: 'KMS out of order',
    least: 1,
    strike: ({ emulator }) => fail(emulator, 'AsymmetricSign', unavailable),
    told: /AsymmetricSign.*ServiceUnavailable.*look at its status page for the region/,
  },
  {
    name: 'GetAuthorizationToken answers 502',
    least: 3,
    strike: ({ emulator }) => {
      endLogins(emulator);
      return fail(emulator, 'GetAuthorizationToken', badGateway);
    },
    told: /GetAuthorizationToken.*no usable answer.*Check that this machine reaches Container Registry's OpenAPI/,
  },
  {
    name: 'STS down, every session over',
    least: 1,
    strike: ({ emulator }) => {
      emulator.expireSessions();
      return fail(emulator, 'AssumeRole', unavailable);
    },
    told: /AssumeRole.*ServiceUnavailable.*look at its status page for the region/,
  },
  {
    name: 'connections to the registry cut',
    least: 4,
    strike: ({ registries }) => {
      for (const { faults } of registries) faults.cutNext = 4;
      return () => registries.reduce((sum, { faults }) => sum + 4 - faults.cutNext, 0);
    },
  },
  {
    name: 'answers of the cloud cut in the middle',
    least: 2,
    strike: ({ emulator }) => {
      emulator.faults.cutNext = 2;
      return () => 2 - emulator.faults.cutNext;
    },
  },
  {
    name: 'everything slow',
    least: 10,
    strike: ({ emulator, registries }) => {
      emulator.faults.latencyMs = 300;
      for (const { faults } of registries) faults.latencyMs = 100;
      const before = emulator.calls.length;
      return () => emulator.calls.length - before;
    },
  },
  {
    name: 'STS, KMS, OpenAPI and token service down',
    least: 0,
    strike: ({ emulator }) => {
      emulator.faults.down = true;
      return () => 0;
    },
    told: /AsymmetricSign.*no usable answer.*Check that this machine reaches the endpoint/,
  },
];

/** For a walk that begins now. */
export const walkThrottled: CloudFault = {
  name: 'the OpenAPI throttles a walk',
  least: 2,
  strike: ({ emulator }) => fail(emulator, 'ListNamespace', { status: 400, code: 'Throttling.User' }),
  told: /ListNamespace.*Throttling\.User.*tried again more slowly.*reconcile: the registry cannot be walked/,
};

/** All at once, a few of each: the next ones of several kinds, while everything that lives for a while is over. */
export const allAtOnce: CloudFault = {
  name: 'all at once',
  least: 21,
  strike: ({ emulator, registries }) => {
    const { faults, acr } = emulator;
    const failNext = { count: 3, ...unavailable };
    const failInsideNext = { count: 2, code: 'INSTANCE_NOT_EXIST' };
    Object.assign(faults, { throttleNext: 2, wrongSignatureNext: 1, cutNext: 2, failNext, latencyMs: 50 });
    acr.faults.failInsideNext = failInsideNext;
    const ofRegistries = registries.map((registry) => {
      const counted = { count: 2, status: 503 };
      Object.assign(registry.faults, { unauthorizedNext: 2, cutNext: 2, failNext: counted, latencyMs: 20 });
      return () => 6 - registry.faults.unauthorizedNext - registry.faults.cutNext - counted.count;
    });
    emulator.expireSessions();
    endLogins(emulator);
    const ofCloud = () => 10 - faults.throttleNext - faults.wrongSignatureNext - faults.cutNext - failNext.count;
    return () => ofRegistries.reduce((sum, struck) => sum + struck(), ofCloud() - failInsideNext.count);
  },
};

/** Ends every fault. */
export function heal({ emulator, registries }: Cloud): void {
  Object.assign(emulator.faults, {
    latencyMs: 0,
    throttleNext: 0,
    signaturesPerSecond: Number.POSITIVE_INFINITY,
    failNext: undefined,
    wrongSignatureNext: 0,
    cutNext: 0,
    down: false,
  });
  emulator.acr.faults.failInsideNext = undefined;
  for (const { faults } of registries)
    Object.assign(faults, { latencyMs: 0, unauthorizedNext: 0, failNext: undefined, cutNext: 0, down: false });
}

/** Lets an action fail until `heal`. */
function fail(
  { faults }: Emulator,
  action: string,
  answer: { readonly status: number; readonly code: string; readonly body?: string },
): () => number {
  const failNext = { count: forEver, action, ...answer };
  faults.failNext = failNext;
  return () => forEver - failNext.count;
}

/** So that the next token needs a login, and the next login a call. */
function endLogins({ acr }: Emulator): void {
  acr.expireLogins();
  acr.expireTokens();
}

function refusalsOf({ calls }: Emulator, action: string, code: string): () => number {
  const before = calls.length;
  return () => calls.slice(before).filter((call) => call.action === action && call.code === code).length;
}

function refusalsBy(registries: Cloud['registries'], status: number): () => number {
  const count = () => registries.flatMap(({ calls }) => calls).filter((call) => call.status === status).length;
  const before = count();
  return () => count() - before;
}
