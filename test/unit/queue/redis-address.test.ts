import { describe, expect, test } from 'vitest';
import { parseRedisAddress } from '../../../src/queue/redis-address.ts';

const bare = { kind: 'cluster', username: undefined, password: undefined, tls: false };

describe('the address of a Redis', () => {
  test.each([
    'redis://127.0.0.1:6379',
    'redis://redis.example.com',
    'rediss://user:p%40ss,word@redis.example.com:6380/2',
    'redis://:secret@[::1]:6379',
    '/run/redis.sock',
  ])('%s is one server', (url) => {
    expect(parseRedisAddress(url)).toEqual({ kind: 'single', url });
  });

  test.each([
    [
      'redis://one:7000,two:7001',
      {
        ...bare,
        nodes: [
          { host: 'one', port: 7000 },
          { host: 'two', port: 7001 },
        ],
      },
    ],
    [
      'redis://one,two:7001/',
      {
        ...bare,
        nodes: [
          { host: 'one', port: 6379 },
          { host: 'two', port: 7001 },
        ],
      },
    ],
    ['redis://one:7000?cluster=true', { ...bare, nodes: [{ host: 'one', port: 7000 }] }],
    [
      'redis://[::1]:7000,[::1]:7001',
      {
        ...bare,
        nodes: [
          { host: '::1', port: 7000 },
          { host: '::1', port: 7001 },
        ],
      },
    ],
    [
      'rediss://user:p%40ss,w%2Ford@one:7000,two:7000',
      {
        kind: 'cluster',
        nodes: [
          { host: 'one', port: 7000 },
          { host: 'two', port: 7000 },
        ],
        username: 'user',
        password: 'p@ss,w/ord',
        tls: true,
      },
    ],
    ['redis://:secret@one:7000?cluster=true', { ...bare, password: 'secret', nodes: [{ host: 'one', port: 7000 }] }],
  ])('%s is a cluster', (text, address) => {
    expect(parseRedisAddress(text)).toEqual(address);
  });

  test.each([
    '',
    'localhost:6379',
    'http://one:7000,two:7000',
    'redis://',
    'redis://one:7000,',
    'redis://,one:7000',
    'redis://one:7000,,two:7000',
    'redis://one:7000,two:7000/1',
    'redis://one/1?cluster=true',
    'redis://one:7000?cluster=yes,two:7000',
    'redis://one:70000,two:7000',
    'redis://one:7000,redis://two:7000',
    'redis://one/database',
  ])('"%s" is none', (text) => {
    expect(parseRedisAddress(text)).toBeUndefined();
  });
});
