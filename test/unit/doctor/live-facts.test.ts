import { describe, expect, test } from 'vitest';
import { eventFacts, webhookFacts } from '../../../src/doctor/live/delivery-facts.ts';
import type { Fact } from '../../../src/doctor/live/fact.ts';
import type { Observed } from '../../../src/doctor/live/observed.ts';
import { instanceFacts, registryFacts } from '../../../src/doctor/live/registry-facts.ts';
import type { Digest } from '../../../src/domain/digest.ts';
import type { CapturedDelivery } from '../../../src/ports/delivery-capture.ts';

const digestOf = (digit: string): Digest => `sha256:${digit.repeat(64)}`;
const [image, untagged, signature] = [digestOf('a'), digestOf('b'), digestOf('c')];
const pushedAt = new Date('2026-03-01T20:10:00Z');
const fallback = image.replace(':', '-');
const put = (reference: string, digest: Digest, ociSubject?: Digest) => ({
  ...{ reference, digest, answer: { at: pushedAt, ociSubject } },
});

function observedWith(changes: Partial<Observed>): Observed {
  return {
    registry: {
      ...{ name: 'prod', host: 'prod-registry.example.com', identityHost: 'prod-registry.example.com', aliases: [] },
      ...{ plainHttp: false, login: undefined, realms: [], webhook: undefined, eventBridge: undefined },
      acr: {
        ...{ instanceId: 'cri-secret', region: 'cn-hangzhou', accountId: '1234567890123456', role: undefined },
        ...{ endpoint: 'cr.cn-hangzhou.aliyuncs.com', stsEndpoint: 'sts.cn-hangzhou.aliyuncs.com' },
      },
      origin: { file: 'rules.yaml', line: 1 },
    },
    ...{ repository: 'team/scratch', tag: 'autosign-doctor-1', waitSeconds: 60, image, untagged },
    puts: [
      put('autosign-doctor-1', image),
      put(untagged, untagged),
      put(signature, signature, image),
      put(fallback, digestOf('d')),
    ],
    ...{ deliveries: [], signatures: [undefined], triedTriggers: [] },
    ...changes,
  };
}

function delivery(body: unknown, changes: Partial<CapturedDelivery> = {}): CapturedDelivery {
  return {
    ...{ door: 'acr', arrivedAt: '2026-03-01T20:10:02.500Z', from: '203.0.113.7', path: '/webhooks/acr/prod/…' },
    ...{ headers: { 'user-agent': 'acr' }, body: typeof body === 'string' ? body : JSON.stringify(body) },
    ...changes,
  };
}

const webhook = (pushed: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  delivery({
    push_data: { tag: 'autosign-doctor-1', digest: image, ...pushed },
    repository: { name: 'scratch', ...more },
  });

const saysOf = (facts: readonly Fact[], id: string) => facts.find((fact) => fact.id === id)?.observed;

describe('the zone of a time without one', () => {
  test.each([
    ['2026-03-02 04:10:01', 'push_data.pushed_at: says no zone, fits UTC+8 (then 1.0 s after the push)'],
    ['2026-03-01 20:09:59', 'push_data.pushed_at: says no zone, fits UTC+0 (then -1.0 s after the push)'],
    ['2026-03-01 16:40:00', 'push_data.pushed_at: says no zone, fits UTC-3.5 (then 0.0 s after the push)'],
    ['2016-03-01 16:40:00', 'push_data.pushed_at: is not the time of the push in any zone'],
    ['2026-03-02T04:10:03+08:00', 'push_data.pushed_at: says +08:00, 3.0 s after the push'],
    ['yesterday', 'it holds no time that could be read'],
  ])('%s', (pushed_at, says) => {
    expect(saysOf(webhookFacts(observedWith({ deliveries: [webhook({ pushed_at })] })), 'webhook-times')).toBe(says);
  });
});

test('fields beyond the documented ones are named, and of values only their form is shown', () => {
  const more = { instance_id: 'cri-secret', owner: 'Jane Doe', domain: 'prod-registry.example.com', state: 'NORMAL' };
  const facts = webhookFacts(
    observedWith({ deliveries: [webhook({ pushed_at: 'x' }, { ...more, instance_name: 'ACME' })] }),
  );
  const fields = facts.find(({ id }) => id === 'webhook-fields');
  expect(fields?.observed).toBe(
    'beyond the documented ones: repository.instance_id, repository.owner, repository.domain, repository.state, repository.instance_name',
  );
  expect(fields?.evidence).toEqual([
    'push_data.tag: <tag>',
    'push_data.digest: <digest with sha256:>',
    'push_data.pushed_at: text of 1 characters',
    'repository.name: <repository>',
    'repository.instance_id: <instance id>',
    'repository.owner: text of 8 characters',
    'repository.domain: <registry host>',
    'repository.state: NORMAL',
    'repository.instance_name: text of 4 characters',
  ]);
});

test('each delivery is put down to the push that it names', () => {
  const deliveries = [
    webhook({}),
    webhook({}),
    delivery({ push_data: { tag: '', digest: untagged } }),
    delivery({ push_data: { tag: null, digest: signature.slice(7) } }),
    delivery({ push_data: { tag: fallback, digest: digestOf('d') } }),
    delivery({ push_data: { tag: 'somebody-elses' } }),
    delivery('no JSON'),
  ];
  const facts = webhookFacts(observedWith({ deliveries }));
  expect(saysOf(facts, 'webhook-repeats')).toBe('2 times');
  for (const cause of ['untagged', 'signature', 'signature-tag']) {
    expect(saysOf(facts, `webhook-of-${cause}`)).toBe('yes, 1 came');
  }
  expect(saysOf(facts, 'webhook-latency')).toBe('2.5 s, by the clocks of the receiver and of this machine');
  expect(saysOf(eventFacts(observedWith({ deliveries })), 'event-data')).toBe('not seen within 60 s');
});

test('silence says no only where the push itself was heard of', () => {
  const heard = webhookFacts(observedWith({ deliveries: [webhook({})] }));
  expect(saysOf(heard, 'webhook-of-signature')).toBe('no, none came within 60 s');
  expect(saysOf(webhookFacts(observedWith({})), 'webhook-of-signature')).toBe('not seen within 60 s');
  const unsigned = observedWith({ puts: [put('autosign-doctor-1', image)], deliveries: [webhook({})] });
  expect(saysOf(webhookFacts(unsigned), 'webhook-of-signature')).toBe('nothing of the kind was pushed');
});

test('of a registry that has the referrers API, and of one that the run did not come to', () => {
  const listing = { byApi: [signature, digestOf('9')], byFallbackTag: undefined, byCosignTag: true };
  const seen = registryFacts(observedWith({ listing, signatures: [undefined, 'no, registry-protocol: 409'] }));
  expect(saysOf(seen, 'oci-subject')).toBe('yes');
  expect(saysOf(seen, 'referrers-api')).toBe('there is one, and it lists 1 of ours');
  expect(saysOf(seen, 'signature-tags')).toBe('sha256-<hex>.sig');
  expect(saysOf(seen, 'second-signature')).toBe('no, registry-protocol: 409');
  const unseen = [...registryFacts(observedWith({ signatures: [] })), ...instanceFacts(observedWith({}))];
  for (const id of ['oci-subject', 'referrers-api', 'catalog', 'delete', 'image-update', 'tag-count']) {
    expect(saysOf(unseen, id)).toBe('not looked at: the run ended before');
  }
});
