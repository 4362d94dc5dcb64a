import type { EmulatorConfig } from './config.ts';
import type { Emulator } from './start-emulator.ts';

/**
 * What a shell sets to be the account's first user, where the endpoints are, and what a rules file says of each key
 * version. The secret is in it: it opens nothing but this emulator.
 */
export function environmentOf(config: EmulatorConfig, emulator: Emulator): string {
  const [user] = config.users ?? [];
  const [role] = config.roles ?? [];
  const { url, tokenService } = emulator;
  const variables = {
    ...(user === undefined
      ? {}
      : {
          ALIBABA_CLOUD_ACCESS_KEY_ID: user.accessKeyId,
          ALIBABA_CLOUD_ACCESS_KEY_SECRET: user.accessKeySecret,
        }),
    EMULATOR_ENDPOINT: url,
    EMULATOR_REGION: emulator.region,
    EMULATOR_ACCOUNT_ID: emulator.accountId,
    ...(role === undefined ? {} : { EMULATOR_ROLE_ARN: role.arn }),
    EMULATOR_REALM: tokenService.realm,
    EMULATOR_SERVICE: tokenService.service,
  };
  return [
    `# Alibaba Cloud is emulated at ${url} until this process is stopped with Ctrl-C. For another shell:`,
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
    '# The endpoint of STS, KMS, the KMS instance and ACR’s OpenAPI is EMULATOR_ENDPOINT. In a rules file, "kms" of a key:',
    ...keyVersionsOf(config, emulator).map(
      ({ keyId, keyVersionId, spec }) =>
        `#   ${spec}: { region: ${emulator.region}, keyId: ${keyId}, keyVersionId: ${keyVersionId}, ` +
        `roleArn: "${role?.arn ?? ''}", endpoint: "${url}", stsEndpoint: "${url}" }`,
    ),
    ...emulator.acr
      .instances()
      .map(
        ({ instanceId, registry }) => `#   ${instanceId}: { host: "${registry.host}", realms: ["${registry.realm}"] }`,
      ),
  ].join('\n');
}

/** Each key version with its public key, PEM. */
export function keyVersionsOf(config: EmulatorConfig, emulator: Emulator) {
  return (config.keys ?? []).flatMap(({ keyId, spec, versions }) =>
    versions.map(({ keyVersionId }) => ({
      keyId,
      keyVersionId,
      spec,
      publicKeyPem: emulator.publicKey(keyId, keyVersionId),
    })),
  );
}

/** For any shell of the family of sh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
