import { z } from 'zod';

/** A namespace; its repositories are those that the real registry holds below it. */
export const AcrNamespace = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,118}[a-z0-9])$/),
  /** Whether a push creates a repository that is not there. */
  autoCreateRepo: z.boolean().default(true),
  defaultRepoType: z.enum(['PRIVATE', 'PUBLIC']).default('PRIVATE'),
  /** Refuses to move a tag of the namespace's repositories. */
  tagImmutability: z.boolean().default(false),
});
export type AcrNamespace = z.input<typeof AcrNamespace>;
export type CheckedNamespace = z.output<typeof AcrNamespace>;

/** An instance of the Enterprise Edition in front of a real registry. */
export const AcrInstanceConfig = z.strictObject({
  instanceId: z.string().regex(/^cri-[a-z0-9-]+$/),
  name: z.string().min(1).default('emulated'),
  /** The config's when it is left out. */
  accountId: z.string().regex(/^\d+$/).optional(),
  specification: z
    .enum(['Enterprise_Basic', 'Enterprise_Standard', 'Enterprise_Advanced'])
    .default('Enterprise_Advanced'),
  status: z.enum(['RUNNING', 'STARTING', 'STOPPED']).default('RUNNING'),
  /** The real registry, plain HTTP and without a login: `127.0.0.1:PORT`. */
  upstream: z.string().regex(/^(?:127\.0\.0\.1|localhost):\d+$/),
  namespaces: z.array(AcrNamespace).default([]),
  /** Sends those who get a blob to the emulated object storage, as ACR does. */
  redirectBlobs: z.boolean().default(true),
});
/** As it is written: what has a default may be left out. */
export type AcrInstanceConfig = z.input<typeof AcrInstanceConfig>;
export type CheckedInstance = z.output<typeof AcrInstanceConfig>;

/** What the emulated account has of ACR. */
export const AcrConfig = z.strictObject({ instances: z.array(AcrInstanceConfig).default([]) });
