import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseEventBridgeEvent, readEvent } from '../../../src/receiver/event-bridge-event.ts';

const hex = '457f4aa83fc9a6663ab9d1b0a6e2dce25a12a943ed5bf2c1747c58d48bbb4917';

// The documented envelope and `data` of another event of ACR (container-registry-events), with the type of a push.
const documented = {
  id: '45ef4dewdwe1-7c35-447a-bd93-fab1',
  source: 'acs.cr',
  specversion: '1.0',
  subject: 'acs.cr:cn-hangzhou:1234567890981234:215672',
  time: '2020-11-19T21:04:41+08:00',
  type: 'cr:Artifact:PushCompleted',
  aliyunaccountid: '1234567890981234',
  aliyunpublishtime: '2020-11-19T21:04:42Z',
  aliyuneventbusname: 'default',
  aliyunregionid: 'cn-hangzhou',
  aliyunpublishaddr: '172.25.0.1',
  data: {
    InstanceName: 'sirong-tongbu-hangzhou',
    RepoNamespaceName: 'scan',
    InstanceId: 'cri-4jga79lyszik1234',
    RepoName: 'mix-vuls',
    ImageUpdate: '2021-11-15 20:49:40',
    RegionId: 'cn-hangzhou',
    Tag: 'v1',
    RepoId: 'crr-8441203b7uzi1234',
  },
};
const source = {
  url: 'https://hooks.example.com/webhooks/eventbridge/prod',
  accountId: '1234567890981234',
  instanceId: 'cri-4jga79lyszik1234',
  region: 'cn-hangzhou',
  tokenSha256: [],
  certificateFile: undefined,
};

const parse = (event: unknown) =>
  parseEventBridgeEvent(Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)));
const read = (changes: object = {}) => readEvent(parse({ ...documented, ...changes }), source);
const withData = (changes: object) => read({ data: { ...documented.data, ...changes } });

describe('an event of a push', () => {
  const push = { repository: 'scan/mix-vuls', tag: 'v1', digest: undefined };
  test('is read as its envelope is documented, without a digest', () => {
    expect(read()).toEqual({ kind: 'push', event: push });
  });

  test('of a synchronization is read alike', () => {
    expect(read({ type: 'cr:Artifact:SynchronizationCompleted' })).toEqual({ kind: 'push', event: push });
  });

  test.each([
    ['no region of the image', { RegionId: undefined }, {}],
    ['null for it', { RegionId: null }, {}],
    ['unknown keys', { Anything: [1] }, {}],
    ['a digest', { Digest: hex }, { digest: `sha256:${hex}` }],
    ['a digest with its prefix', { Digest: `sha256:${hex}` }, { digest: `sha256:${hex}` }],
    ['a digest that is none', { Digest: 'sha256:beef' }, {}],
    ['a digest that is no text', { Digest: 7 }, {}],
    ['a name of several levels', { RepoName: 'agent/client' }, { repository: 'scan/agent/client' }],
  ])('is taken with %s', (_what, changes, expected) => {
    expect(withData(changes)).toEqual({ kind: 'push', event: { ...push, ...expected } });
  });
});

describe('an event that is none of a push to this instance', () => {
  test.each([
    ['another source', { source: 'acs.ecs' }, 'source'],
    ['another type', { type: 'cr:Artifact:ScanCompleted' }, 'type'],
    ['a type in other letters', { type: 'cr:artifact:pushcompleted' }, 'type'],
    ['another region', { aliyunregionid: 'cn-beijing' }, 'cn-hangzhou'],
    ['another instance', { data: { ...documented.data, InstanceId: 'cri-other' } }, 'cri-4jga79lyszik1234'],
    ['an image elsewhere', { data: { ...documented.data, RegionId: 'cn-beijing' } }, 'cn-hangzhou'],
    ['a push by digest alone', { data: { ...documented.data, Tag: '' } }, 'no tag'],
    ['another source without data', { source: 'acs.oss', data: undefined }, 'source'],
  ])('%s is told by its reason', (_what, changes, reason) => {
    expect(read(changes)).toEqual({ kind: 'other', reason: expect.stringContaining(reason) });
  });
});

describe('an event of a push that does not say which image', () => {
  test.each([
    ['data', { data: undefined }],
    ['data', { data: null }],
    ['data', { data: 'text' }],
    ['data.InstanceId', { data: {} }],
    ['data.InstanceId', { data: { ...documented.data, InstanceId: 5 } }],
    ['data.Tag', { data: { ...documented.data, Tag: undefined } }],
    ['data.Tag', { data: { ...documented.data, Tag: null } }],
    ['data.RepoName, data.Tag', { data: { ...documented.data, RepoName: undefined, Tag: '' } }],
    ['data.Tag', { data: { ...documented.data, Tag: '../x' } }],
    ['data.RepoName', { data: { ...documented.data, RepoName: undefined } }],
    ['data.RepoName', { data: { ...documented.data, RepoName: '../../etc' } }],
    ['data.RepoNamespaceName', { data: { ...documented.data, RepoNamespaceName: 7 } }],
  ])('is not understood for %s', (field, changes) => {
    const reading = read(changes);
    expect(reading).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringMatching(`: ${field.replaceAll('.', '\\.')}$`),
    });
  });

  test('is told by the names of all fields, never by their values', () => {
    const reading = withData({ Tag: '!secret!', RepoName: '!secret!', RepoNamespaceName: undefined });
    expect(reading).toMatchObject({ kind: 'unreadable' });
    expect(JSON.stringify(reading)).not.toContain('secret');
  });
});

describe('a body that is no whole CloudEvent is refused with the field', () => {
  test.each([
    ['body', ''],
    ['body', '{'],
    ['body', '[]'],
    ['body', 'null'],
    ['id', { ...documented, id: undefined }],
    ['id', { ...documented, id: '' }],
    ['id', { ...documented, id: 'x'.repeat(257) }],
    ['source', { ...documented, source: 1 }],
    ['type', { ...documented, type: undefined }],
    ['aliyunaccountid', { ...documented, aliyunaccountid: 1_234 }],
    ['aliyunregionid', { ...documented, aliyunregionid: undefined }],
    ['id', documented.data],
  ])('%s in %j', (field, body) => {
    expect(() => parse(body)).toThrow(
      expect.objectContaining({ code: 'event-invalid', message: expect.stringMatching(`^${field}: `) }),
    );
  });

  test('bytes that are no UTF-8', () => {
    expect(() => parseEventBridgeEvent(Buffer.from([0x22, 0xff, 0x22]))).toThrow('body: expected JSON');
  });
});

test('whatever stands in data, it is read, ignored or not understood', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(['push', 'other', 'unreadable']).toContain(read({ data: JSON.parse(text) }).kind);
    }),
  );
});
