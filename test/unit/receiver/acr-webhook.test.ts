import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { parseAcrWebhook } from '../../../src/receiver/acr-webhook.ts';

const hex = '457f4aa83fc9a6663ab9d1b0a6e2dce25a12a943ed5bf2c1747c58d48bbb4917';

// The body that ACR documents (doc-detail/60949.htm), with a name that a registry takes.
const documented = {
  push_data: { digest: `sha256:${hex}`, pushed_at: '2016-11-29 12:25:46', tag: 'latest' },
  repository: {
    date_created: '2016-10-28 21:31:42',
    name: 'repotest',
    namespace: 'namespace',
    region: 'cn-hangzhou',
    repo_authentication_type: 'NO_CERTIFIED',
    repo_full_name: 'namespace/repotest',
    repo_origin_type: 'NO_CERTIFIED',
    repo_type: 'PUBLIC',
  },
};

function withParts(push: object, repository: object) {
  return {
    push_data: { ...documented.push_data, ...push },
    repository: { ...documented.repository, ...repository },
  };
}

function messageFor(body: unknown): string {
  try {
    parseAcrWebhook(body);
  } catch (error) {
    if (error instanceof AutosignError && error.code === 'event-invalid') return error.message;
    throw error;
  }
  throw new Error('the body was accepted');
}

describe('a body that names an image', () => {
  test('is read as ACR documents it', () => {
    expect(parseAcrWebhook(documented)).toEqual({
      repository: 'namespace/repotest',
      tag: 'latest',
      digest: `sha256:${hex}`,
    });
  });

  test.each([
    ['a digest without its prefix', { digest: hex }, {}, { digest: `sha256:${hex}` }],
    ['no digest', { digest: undefined }, {}, { digest: undefined }],
    ['a null digest', { digest: null }, {}, { digest: undefined }],
    ['an empty digest', { digest: '' }, {}, { digest: undefined }],
    ['times that are none', { pushed_at: 12 }, { date_created: null }, { tag: 'latest' }],
    ['unknown keys', { resource: {} }, { extra: [1] }, { tag: 'latest' }],
    [
      'a name of several levels',
      {},
      { name: 'client/prod', repo_full_name: 'x' },
      { repository: 'namespace/client/prod' },
    ],
    ['no name', {}, { name: undefined, repo_full_name: 'a/b/c' }, { repository: 'a/b/c' }],
    ['an empty namespace', {}, { namespace: '', repo_full_name: 'a/b' }, { repository: 'a/b' }],
    ['a full name that differs', {}, { repo_full_name: 'other/thing' }, { repository: 'namespace/repotest' }],
    ['the longest tag', { tag: 'a'.repeat(128) }, {}, { tag: 'a'.repeat(128) }],
  ])('is taken with %s', (_what, push, repository, expected) => {
    expect(parseAcrWebhook(withParts(push, repository))).toMatchObject(expected);
  });
});

describe('a body that does not is refused with the field', () => {
  test.each([
    ['body', undefined],
    ['body', null],
    ['body', 'text'],
    ['body', []],
    ['push_data', { repository: documented.repository }],
    ['repository', { push_data: documented.push_data }],
    ['push_data.tag', withParts({ tag: undefined }, {})],
    ['push_data.tag', withParts({ tag: 7 }, {})],
    ['push_data.tag', withParts({ tag: '' }, {})],
    ['push_data.tag', withParts({ tag: '../x' }, {})],
    ['push_data.tag', withParts({ tag: 'a'.repeat(129) }, {})],
    ['push_data.digest', withParts({ digest: 'sha256:beef' }, {})],
    ['push_data.digest', withParts({ digest: `sha512:${hex}` }, {})],
    ['push_data.digest', withParts({ digest: hex.toUpperCase() }, {})],
    ['push_data.digest', withParts({ digest: 5 }, {})],
    ['repository.name', withParts({}, { name: '', repo_full_name: '' })],
    ['repository.name', withParts({}, { name: 'repoTest' })],
    ['repository.name', withParts({}, { name: '../../etc' })],
    ['repository.name', withParts({}, { name: 'a'.repeat(256) })],
    ['repository.name', withParts({}, { name: 3 })],
    ['repository.repo_full_name', withParts({}, { namespace: null, repo_full_name: 'A/b' })],
  ])('%s in %j', (field, body) => {
    expect(messageFor(body)).toMatch(new RegExp(`^${field.replaceAll('.', '\\.')}: \\S`));
  });

  test.each([
    ['body: is missing', undefined],
    ['push_data: is missing; repository: is missing', {}],
    ['push_data.tag: is missing', withParts({ tag: undefined }, {})],
    ['push_data.tag: is missing', { push_data: {}, repository: documented.repository }],
  ])('"%s" in %j', (message, body) => {
    expect(messageFor(body)).toBe(message);
  });

  test.each([null, 7, ''])('calls a tag of %j wrong, not missing', (tag) => {
    expect(messageFor(withParts({ tag }, {}))).not.toContain('missing');
  });

  test('all fields at once, none of their values', () => {
    const message = messageFor(withParts({ tag: '!secret!', digest: '!secret!' }, { name: '!secret!' }));
    expect(message).toContain('push_data.tag: ');
    expect(message).toContain('push_data.digest: ');
    expect(message).toContain('repository.name: ');
    expect(message).not.toContain('secret');
  });
});

test('whatever the body, it is read or refused as an invalid event', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json().map((text) => JSON.parse(text)),
        fc.anything(),
      ),
      (body) => {
        try {
          parseAcrWebhook(body);
        } catch (error) {
          expect(error).toMatchObject({ code: 'event-invalid' });
        }
      },
    ),
  );
});
