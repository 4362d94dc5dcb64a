import { z } from 'zod';
import { AcrConfig } from './acr/acr-config.ts';
import { PolicyDocument, TrustPolicy } from './policy.ts';
import { SecurityCenterConfig } from './security-center-config.ts';

/** What a RAM user needs to assume roles: the system policy AliyunSTSAssumeRoleAccess. */
const assumeRoleAccess = {
  Version: '1' as const,
  Statement: [{ Effect: 'Allow' as const, Action: ['sts:AssumeRole'], Resource: ['*'] }],
};

const AccountId = z.string().regex(/^\d+$/);

const User = z.strictObject({
  accessKeyId: z.string().min(1),
  accessKeySecret: z.string().min(1),
  /** `acs:ram::<account>:user/<name>` */
  arn: z.string().regex(/^acs:ram::\d+:user\/[\w.@-]+$/),
  policies: z.array(PolicyDocument).default([assumeRoleAccess]),
});

const Role = z.strictObject({
  /** `acs:ram::<account>:role/<name>` */
  arn: z.string().regex(/^acs:ram::\d+:role\/[\w.-]+$/),
  trustPolicy: TrustPolicy,
  policies: z.array(PolicyDocument).default([]),
  /** MaxSessionDuration of the role, in seconds; RAM's default is an hour, its most 12 hours. */
  maxSessionSeconds: z.int().min(3600).max(43_200).default(3600),
});

export const KeyState = z.enum(['Enabled', 'Disabled', 'PendingDeletion', 'PendingImport']);
export type KeyState = z.infer<typeof KeyState>;

const Key = z.strictObject({
  keyId: z.string().min(1),
  /** The config's when it is left out. */
  accountId: AccountId.optional(),
  /** With their prefix `alias/`. */
  aliases: z.array(z.string().startsWith('alias/')).default([]),
  spec: z.enum(['RSA_2048', 'RSA_3072', 'EC_P256']),
  usage: z.enum(['SIGN/VERIFY', 'ENCRYPT/DECRYPT']).default('SIGN/VERIFY'),
  state: KeyState.default('Enabled'),
  versions: z
    .array(
      z.strictObject({
        keyVersionId: z.string().min(1),
        /** PKCS#8; made when it is absent. */
        privateKeyPem: z.string().optional(),
      }),
    )
    .min(1),
});
export type KeyConfig = z.output<typeof Key>;

/** What calls to the KMS instance are signed with. */
const ClientKey = z.strictObject({
  /** `KAAP.…` */
  id: z.string().min(1),
  /** SPKI. */
  publicKeyPem: z.string().includes('PUBLIC KEY'),
});
export type ClientKeyConfig = z.output<typeof ClientKey>;

const Grant = z.strictObject({
  /** A repository name; `*` stands for any characters. */
  repository: z.string().min(1),
  actions: z.array(z.enum(['pull', 'push', 'delete'])).min(1),
});

/** The token service in front of a registry. */
const TokenService = z.strictObject({
  service: z.string().min(1).default('registry.aliyuncs.com:cn-hangzhou:china:cri-emulated'),
  issuer: z.string().min(1).default('dockerauth.aliyuncs.com'),
  users: z
    .array(
      z.strictObject({
        username: z.string().min(1),
        password: z.string().min(1),
        grants: z.array(Grant).default([]),
        /** May list all repositories (`registry:catalog:*`). */
        catalog: z.boolean().default(false),
      }),
    )
    .default([]),
});

/** Faults that are there from the start (faults.ts). */
const StartingFaults = z.strictObject({
  latencyMs: z.number().min(0).default(0),
  signaturesPerSecond: z.number().min(0).default(Number.POSITIVE_INFINITY),
});

/** What the emulated account holds, and other accounts that users, roles and keys name. */
export const EmulatorConfig = z.strictObject({
  region: z.string().min(1).default('cn-hangzhou'),
  accountId: AccountId.default('1234567890123456'),
  /** 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(0),
  /** What lives by itself for a while lives this part of it: 0.01 makes an hour 36 seconds. */
  lifetimeScale: z.number().positive().max(1).default(1),
  faults: StartingFaults.prefault({}),
  users: z.array(User).default([]),
  roles: z.array(Role).default([]),
  keys: z.array(Key).default([]),
  clientKeys: z.array(ClientKey).default([]),
  tokenService: TokenService.prefault({}),
  acr: AcrConfig.prefault({}),
  securityCenter: SecurityCenterConfig.prefault({}),
});
/** As it is written: what has a default may be left out. */
export type EmulatorConfig = z.input<typeof EmulatorConfig>;
export type CheckedConfig = z.output<typeof EmulatorConfig>;
export type UserConfig = CheckedConfig['users'][number];
export type RoleConfig = CheckedConfig['roles'][number];
export type TokenServiceConfig = CheckedConfig['tokenService'];
