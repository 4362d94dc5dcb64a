import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { EmulatorConfig } from './config.ts';
import { startEmulator } from './start-emulator.ts';

const help = `Emulates Alibaba Cloud STS, KMS, a KMS instance and ACR with its registries and their token service on 127.0.0.1.

  node test/emulator/main.ts --config FILE [--port PORT]

  --config FILE  JSON, see below; "-" reads it from standard input
  --port PORT    instead of the config's "port"; 0 takes a free one
  --help         this text

When it listens it prints one line of JSON: url, host, stsEndpoint, kmsEndpoint, region, accountId, keys (each version with
its publicKeyPem), tokenService (realm, service, issuer, rootCertificatePem), acrEndpoint and instances (each instance of
ACR with the registryHost that clients log in to, in front of the real registry "upstream"). It stops on SIGTERM and SIGINT.

Example of a config; users' "policies" default to sts:AssumeRole on everything, and a key version without "privateKeyPem"
gets a new key pair at each start:
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
  options: { config: { type: 'string' }, port: { type: 'string' }, help: { type: 'boolean', default: false } },
});
if (values.help) {
  console.log(help);
} else if (values.config === undefined) {
  console.error('--config FILE is missing; see --help');
  process.exitCode = 2;
} else {
  await run(values.config, values.port);
}

async function run(configFile: string, port: string | undefined): Promise<void> {
  const written = JSON.parse(configFile === '-' ? await text(process.stdin) : await readFile(configFile, 'utf8'));
  const config: EmulatorConfig = { ...written, ...(port === undefined ? {} : { port: Number(port) }) };
  const emulator = await startEmulator(config);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void emulator.close());
  const keys = (config.keys ?? []).flatMap(({ keyId, versions }) =>
    versions.map(({ keyVersionId }) => ({
      keyId,
      keyVersionId,
      publicKeyPem: emulator.publicKey(keyId, keyVersionId),
    })),
  );
  const instances = emulator.acr.instances().map(({ instanceId, service, registry }) => {
    const { host: registryHost, realm } = registry;
    return { instanceId, registryHost, realm, service };
  });
  const { url, host, tokenService, region, accountId } = emulator;
  const endpoints = { stsEndpoint: url, kmsEndpoint: url, acrEndpoint: url };
  console.log(JSON.stringify({ url, host, ...endpoints, region, accountId, keys, tokenService, instances }));
}
