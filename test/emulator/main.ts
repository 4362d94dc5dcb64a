import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { EmulatorConfig } from './config.ts';
import { environmentOf, keyVersionsOf } from './print-environment.ts';
import { sampleConfig } from './sample-config.ts';
import { type Emulator, startEmulator } from './start-emulator.ts';

const help = `Emulates Alibaba Cloud STS, KMS, a KMS instance and ACR with its registries and their token service on 127.0.0.1.

  npm run -s emulator -- [--config FILE] [--port PORT] [--json]

  --config FILE  JSON, see below; "-" reads it from standard input. Without it: an account with a worker whose secret is
                 new each time, ACR's documented role, and a key of each spec
  --port PORT    instead of the config's "port"; 0 takes a free one
  --json         print one line of JSON, without the secret
  --help         this text

When it listens it prints the lines that make a shell the account's first user, with the endpoints; or, with --json: url,
host, stsEndpoint, kmsEndpoint, acrEndpoint, region, accountId, keys (each version with its publicKeyPem), tokenService
(realm, service, issuer, rootCertificatePem) and instances (of ACR: each with the registryHost that clients log in to, in
front of the real registry "upstream"). It stops on SIGTERM and SIGINT.

Example of a config; users' "policies" default to sts:AssumeRole on everything, and a key version without "privateKeyPem"
gets a new key pair at each start. "lifetimeScale": 0.01 makes an hour 36 seconds; "faults" may have "latencyMs" and
"signaturesPerSecond":
{
  "region": "cn-hangzhou",
  "accountId": "1234567890123456",
  "users": [{ "accessKeyId": "LTAI-worker", "accessKeySecret": "<secret>", "arn": "acs:ram::1234567890123456:user/worker" }],
  "roles": [{
    "arn": "acs:ram::1234567890123456:role/AliyunContainerRegistryKMSRole",
    "trustPolicy": { "Version": "1", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole",
      "Principal": { "Service": ["cr.aliyuncs.com"], "RAM": ["acs:ram::1234567890123456:user/worker"] } }] },
    "policies": [{ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": ["kms:*"], "Resource": "acs:kms:cn-hangzhou:1234567890123456:*" }] }]
  }],
  "keys": [{ "keyId": "key-release", "spec": "EC_P256", "versions": [{ "keyVersionId": "v1" }] }],
  "clientKeys": [{ "id": "KAAP.1", "publicKeyPem": "-----BEGIN PUBLIC KEY-----…" }],
  "acr": { "instances": [{ "instanceId": "cri-emulated", "upstream": "127.0.0.1:5000", "namespaces": [{ "name": "prod" }] }] },
  "tokenService": { "users": [{ "username": "robot", "password": "<password>", "grants": [{ "repository": "prod/*", "actions": ["pull", "push"] }] }] }
}`;

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    port: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(help);
else await run(values.config, values.port, values.json);

async function run(configFile: string | undefined, port: string | undefined, asJson: boolean): Promise<void> {
  const written = configFile === undefined ? sampleConfig().config : JSON.parse(await read(configFile));
  const config: EmulatorConfig = { ...written, ...(port === undefined ? {} : { port: Number(port) }) };
  const emulator = await startEmulator(config);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void emulator.close());
  console.log(asJson ? lineOf(config, emulator) : environmentOf(config, emulator));
}

function read(file: string): Promise<string> {
  return file === '-' ? text(process.stdin) : readFile(file, 'utf8');
}

function lineOf(config: EmulatorConfig, emulator: Emulator): string {
  const { url, host, tokenService, region, accountId } = emulator;
  const keys = keyVersionsOf(config, emulator);
  const instances = emulator.acr.instances().map(({ instanceId, service, registry }) => {
    return { instanceId, registryHost: registry.host, realm: registry.realm, service };
  });
  const endpoints = { stsEndpoint: url, kmsEndpoint: url, acrEndpoint: url };
  return JSON.stringify({ url, host, ...endpoints, region, accountId, keys, tokenService, instances });
}
