import { z } from 'zod';
import * as field from './field-schemas.ts';
import type { PatternKind } from './glob-pattern.ts';
import { quotaSchema } from './quota-schema.ts';

// Descriptions end up in the JSON schema, where editors show them. No transform stands here: the schema describes the
// file as it is written, resolve-rule-set.ts makes of it what the service works with.

/** Long lists are matched against each push; one rule that needs more is better written as several. */
const patternsMax = 100;
/** Each push is held against every rule. */
const rulesMax = 1_000;
/** Roles on the way to that of a key: one in its account is the usual number. */
const rolesMax = 4;

function selection(kind: PatternKind, description: string) {
  const patterns = z
    .array(field.pattern(kind))
    .max(patternsMax, `holds more than ${patternsMax} patterns; split the rule`);
  return z
    .strictObject({
      include: patterns.min(1, 'is empty and would match nothing; leave it out to take everything').optional(),
      exclude: patterns.optional(),
    })
    .optional()
    .describe(`${description} "*" is any run of characters within one level, "**" crosses levels.`);
}

/** What a rule may say and `defaults` may say for all rules. */
const sharedOptions = {
  mode: z
    .enum(['default', 'minimal'])
    .optional()
    .describe(
      'What a signature binds: "default" the digest with repository and tag, "minimal" the digest alone. Without any: minimal.',
    ),
  existing: z
    .enum(['ignore', 'sign'])
    .optional()
    .describe('What happens to images that are older than the rule. Without any: ignore.'),
  formats: z
    .array(z.enum(['notation', 'cosign', 'attestation']))
    .min(1, 'is empty; leave it out to take the format of the algorithm')
    .optional()
    .describe(
      'Signature formats. Without any: notation for RSA_PSS_SHA_256 and ECDSA_SHA_256, cosign for RSA_PKCS1_SHA_256.',
    ),
  platforms: z
    .enum(['index', 'all'])
    .optional()
    .describe('Whether an index is signed alone or each of its platforms too. Without any: index.'),
  envelope: z.enum(['jws', 'cose']).optional().describe('Envelope of the format notation. Without any: jws.'),
  expiry: field.duration.optional().describe('How long a signature is valid; more than twice renewBefore of its key.'),
  timestamp: z
    .strictObject({ url: field.httpUrl, rootCertificate: field.path })
    .optional()
    .describe('RFC 3161 time stamping authority, and the PEM file of its root certificate.'),
  cosign: z
    .enum(['tag', 'bundle'])
    .optional()
    .describe('Where the format cosign keeps its signature. Without any: tag, sha256-….sig.'),
};

export const defaultsSchema = z
  .strictObject(sharedOptions)
  .describe('Holds for every rule, also of included files, that does not say otherwise.');

const tokenHashes = z
  .array(field.hex64)
  .min(1, 'is empty; `autosign token new REGISTRY` prints a token and its hash')
  .max(2, 'holds more than two hashes; two are enough to change the token, take the old ones out');

export const registrySchema = z.strictObject({
  name: field.name.describe('What rules call it; also part of the webhook URL.'),
  host: field.host.describe('host or host:port that the service connects to.'),
  identityHost: field.host.optional().describe('The host name that is signed. Without any: host.'),
  aliases: z.array(field.host).optional().describe('Further host names of the same registry (public, VPC, custom).'),
  plainHttp: z.boolean().optional().describe('Speak http; loopback addresses only.'),
  acr: z
    .strictObject({
      instanceId: field.instanceId,
      region: field.region,
      accountId: field.accountId
        .optional()
        .describe('The account that owns the instance. Without any: that of roleArn.'),
      endpoint: field.endpoint.optional().describe('Of the OpenAPI. Without any: cr.<region>.aliyuncs.com.'),
      roleArn: field.roleArn
        .optional()
        .describe("The role to assume for the registry. Without any: the worker's own identity is used."),
      externalId: z.string().min(1, 'is empty; leave it out or write it').optional(),
      stsEndpoint: field.endpoint.optional().describe('Without any: sts.<region>.aliyuncs.com.'),
    })
    .optional()
    .describe('An ACR Enterprise Edition instance, logged in to by GetAuthorizationToken and listed by its OpenAPI.'),
  login: z
    .strictObject({
      username: z.string().min(1, 'is empty; write the user name'),
      passwordEnv: field.environmentName.describe('Name of the environment variable that holds the password.'),
    })
    .optional()
    .describe('A fixed login. Without it and acr: anonymous.'),
  realms: z.array(field.realm).optional().describe('Exact token realm URLs that credentials may be sent to.'),
  webhook: z
    .strictObject({
      tokenSha256: tokenHashes.describe('Hashes of the tokens in the webhook URL.'),
      url: field.webhookUrl
        .optional()
        .describe(
          'For `autosign triggers sync`: where ACR reaches the receiver, without /webhooks/acr/…; https on 443 alone.',
        ),
      tokenEnv: field.environmentName
        .optional()
        .describe('Beside url: name of the environment variable that holds the token, for triggers only.'),
      tokenFile: field.path.optional().describe('In place of tokenEnv: the file that holds the token.'),
    })
    .optional()
    .describe('The webhook of the registry. Without it the registry gets no webhooks.'),
  eventBridge: z
    .strictObject({
      url: field.deliveryUrl.describe('The URL of the HTTP target in EventBridge, letter for letter: it is signed.'),
      accountId: field.accountId.describe('The account that the instance of acr belongs to.'),
      tokenSha256: tokenHashes.describe('Hashes of the signature tokens that the HTTP target may send.'),
      certificateFile: field.path
        .optional()
        .describe(
          "PEM of EventBridge's signing certificate or public key, old and new one while it changes. Without it the receiver fetches it from https://<region of acr>-eventbridge.oss-accelerate.aliyuncs.com.",
        ),
    })
    .optional()
    .describe('Events of the instance of acr by EventBridge. Without it the registry gets none.'),
});

export const keySchema = z.strictObject({
  name: field.name.describe('What rules call it.'),
  spec: z.enum(['RSA_2048', 'RSA_3072', 'EC_P256']).describe('Key specification; what KMS says must agree.'),
  kms: z
    .strictObject({
      region: field.region,
      keyId: field.keyId.describe('The id of the key, or alias/…, which must go on leading to the same key.'),
      keyVersionId: z.string().min(1, 'is empty; write the id of the key version, it is pinned'),
      roleArn: field.roleArn.describe('The role to assume for each signature.'),
      externalId: field.externalId.optional(),
      via: z
        .array(z.strictObject({ roleArn: field.roleArn, externalId: field.externalId.optional() }))
        .min(1, 'is empty; leave it out when the role trusts the worker itself')
        .max(rolesMax, `holds more than ${rolesMax} roles; each costs a call to STS`)
        .optional()
        .describe('Roles to assume before roleArn, in this order, as for a key of another account.'),
      sessionDuration: field.sessionDuration
        .optional()
        .describe('How long a session of the roles lasts. Without any: 1h.'),
      endpoint: field.endpoint.optional().describe('Without any: kms.<region>.aliyuncs.com.'),
      stsEndpoint: field.endpoint.optional().describe('Without any: sts.<region>.aliyuncs.com.'),
      managementEndpoint: field.endpoint
        .optional()
        .describe(
          'Where DescribeKey and ListKeyVersions go. Without any: endpoint, or kms.<region>.aliyuncs.com when that is the gateway of a KMS instance; in a VPC without a way out kms-vpc.<region>.aliyuncs.com.',
        ),
      caFile: field.path
        .optional()
        .describe('PEM of the authority that signed the certificate of the endpoint; no other is trusted there.'),
    })
    .optional()
    .describe('A key version in Alibaba Cloud KMS.'),
  kmsInstance: z
    .strictObject({
      endpoint: field.endpoint
        .optional()
        .describe(
          '<instance id>.cryptoservice.kms.aliyuncs.com. Without any: the variable ALIBABA_CLOUD_KMS_INSTANCE_ENDPOINT.',
        ),
      keyId: z.string().min(1, 'is empty; write the id of the key'),
      clientKeyFile: field.path
        .optional()
        .describe(
          'File of the ClientKey, as the KMS console gives it. Without it and clientKeyId: the variable ALIBABA_CLOUD_KMS_CLIENTKEY_FILEPATH.',
        ),
      clientKeyId: field.clientKeyId.optional().describe('With privateKeyFile, in place of clientKeyFile.'),
      privateKeyFile: field.path.optional().describe('PEM of the private key of clientKeyId.'),
      passwordEnv: field.environmentName
        .optional()
        .describe(
          'Name of the variable that holds the password of clientKeyFile. Without any: ALIBABA_CLOUD_KMS_PASSWORD.',
        ),
      caFile: field.path
        .optional()
        .describe(
          'PEM of the authority of the instance. Without any: the variable ALIBABA_CLOUD_KMS_CA_FILEPATH, else the authorities of the system.',
        ),
      region: field.region
        .optional()
        .describe('Stands in messages only. Without any: the variable ALIBABA_CLOUD_KMS_REGION_ID.'),
    })
    .optional()
    .describe('A key of a dedicated KMS instance, used with a ClientKey.'),
  local: z
    .strictObject({ privateKeyFile: field.path.describe('PEM, PKCS#8.') })
    .optional()
    .describe('A key in a file, for development.'),
  publicKeyFile: field.path
    .optional()
    .describe(
      'PEM; made by `autosign cert issue NAME`, as the next two. For the format cosign alone: `autosign cert public-key NAME`.',
    ),
  publicKeySha256: field.hex64.optional().describe('SHA-256 of the public key (SPKI DER).'),
  certificateChain: field.path.optional().describe('PEM, leaf first, root last; for the format notation.'),
  trusted: z
    .array(
      z.strictObject({
        publicKeyFile: field.path,
        keyVersionId: z.string().min(1, 'is empty; leave it out or write it').optional(),
        certificateChain: field.path.optional(),
      }),
    )
    .optional()
    .describe('Earlier key versions and certificates whose signatures still count.'),
  renewBefore: field.duration
    .optional()
    .describe('How long before its end a signature is renewed, once there is a newer certificate. Without any: 30d.'),
});

export const ruleSchema = z.strictObject({
  name: field.name.describe('Unique over all files. A rule of a new name is a new rule to images that stood before.'),
  owner: z.string().min(1, 'is empty; leave it out or write whom to ask').optional().describe('Whom to ask.'),
  state: z.enum(['sign', 'audit', 'off']).optional().describe('"audit" decides and logs only. Without any: sign.'),
  registries: z.array(field.name).min(1, 'is empty; name at least one registry').describe('Names of registries.'),
  namespaces: selection(
    'namespaces',
    'The first level of the repository path. An image of one level has no namespace and is matched only by a rule without this.',
  ),
  repositories: selection(
    'repositories',
    'The path below the namespace ("sandbox/app" of prod/sandbox/app), or the whole name of an image without a namespace.',
  ),
  tags: selection('tags', 'The tag.'),
  key: field.name.describe('Name of the key.'),
  algorithm: z
    .enum(['RSA_PSS_SHA_256', 'RSA_PKCS1_SHA_256', 'ECDSA_SHA_256'])
    .describe('RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256 for RSA keys, ECDSA_SHA_256 for EC_P256.'),
  ...sharedOptions,
});

export const denySchema = z.strictObject({
  digest: field.digest.describe('Never signed while the entry stands, nor is an index that contains it.'),
  reason: z.string().min(1, 'is empty; say why the digest must not be signed'),
  until: field.untilTime.nullable().optional().describe('Date or time at which the entry ends; null: never.'),
});

const rulesField = z.array(ruleSchema).max(rulesMax, `holds more than ${rulesMax} rules; use patterns`);

/** The main rules file as it is written. */
export const rulesFileSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  defaults: defaultsSchema.optional(),
  registries: z.array(registrySchema).min(1, 'is empty; name at least one registry').describe('Where images are.'),
  keys: z.array(keySchema).optional().describe('What signs.'),
  rules: rulesField.optional().describe('Which images are signed, with which key, how.'),
  quotas: z
    .array(quotaSchema)
    .optional()
    .describe('How many signatures a second are asked of KMS, for each account and region that keys are in.'),
  deny: z.array(denySchema).optional().describe('Digests that are never signed.'),
  include: z
    .array(field.path)
    .optional()
    .describe('Further files that hold rules only; paths relative to this file, "*" within one level: teams/*.yaml.'),
});

/** An included file: `rules` only. */
export const includedFileSchema = z.strictObject({ rules: rulesField });

export type DefaultsEntry = z.infer<typeof defaultsSchema>;
export type RegistryEntry = z.infer<typeof registrySchema>;
export type KeyEntry = z.infer<typeof keySchema>;
export type QuotaFileEntry = z.infer<typeof quotaSchema>;
export type RuleEntry = z.infer<typeof ruleSchema>;
export type DenyFileEntry = z.infer<typeof denySchema>;

/** The JSON schema of the main rules file, for editors; draft 7, which yaml-language-server reads. */
export function rulesJsonSchema(): Record<string, unknown> {
  return {
    title: 'Rules of acr-autosign',
    ...z.toJSONSchema(rulesFileSchema, { io: 'input', target: 'draft-7' }),
  };
}
