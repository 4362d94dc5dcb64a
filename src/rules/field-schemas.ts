import { z } from 'zod';
import { isDigest } from '../domain/digest.ts';
import { isHost } from '../domain/image-reference.ts';
import { registryNamePattern } from '../domain/registry-name.ts';
import { durationMs, durationPattern } from './duration.ts';
import { findPatternFault, type PatternKind } from './glob-pattern.ts';
import { isLoopbackHost } from './loopback.ts';
import { findWebhookUrlFault } from './webhook-url.ts';

/** The single values of the rules file. An error text says what is wrong and, after ";", what to do. */

export const name = z
  .string()
  .regex(
    registryNamePattern,
    'is not a name; use lower-case letters, digits and "-", beginning with a letter or digit, at most 63 characters',
  );

export const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256; write 64 lower-case hex digits, in quotes');

export const path = z.string().min(1, 'is empty; write a path, relative to this file or absolute');

export const environmentName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    'is not the name of an environment variable; write the name, never the password itself',
  );

export const clientKeyId = z
  .string()
  .regex(/^[\w.-]{1,128}$/, 'is not the id of a ClientKey; the KMS console shows it, it begins with "KAAP."');

export const duration = z
  .string()
  .regex(durationPattern, 'is not a duration; write a number and d, h, m or s, like 90d, 12h or 30s');

/** What AssumeRole takes: a quarter of an hour to the most that a role can be set to. */
export const sessionDuration = duration.refine(
  (text) => !durationPattern.test(text) || (durationMs(text) >= 900_000 && durationMs(text) <= 43_200_000),
  'is not how long a session may last; write 15m to 12h, at most the longest session of the role',
);

export const externalId = z
  .string()
  .min(2, 'is shorter than an external id can be; write 2 to 1224 characters, or leave it out')
  .max(1224, 'is longer than an external id can be; write at most 1224 characters');

export const region = z
  .string()
  .regex(/^[a-z]{2,}(?:-[a-z0-9]+)+$/, 'is not a region id; write one like cn-hangzhou or eu-central-1');

export const instanceId = z
  .string()
  .regex(/^cri-[a-z0-9]+$/, 'is not the id of a registry instance; the console shows it, it begins with "cri-"');

export const accountId = z
  .string()
  .regex(/^\d{5,32}$/, 'is not the id of an account; write its digits, in quotes, as the console shows them');

export const keyId = z
  .string()
  .min(1, 'is empty; write the id of the key, or alias/…')
  .regex(/^(?:alias\/)?[\w./-]+$/, 'is not the id of a key; write the id, or alias/ and the name of its alias');

export const roleArn = z
  .string()
  .regex(
    /^acs:ram::\d+:role\/[A-Za-z0-9._-]{1,64}$/,
    'is not the ARN of a role; write acs:ram::<account id>:role/<role name>',
  );

export const digest = z.string().refine(isDigest, 'is not a digest; write sha256: and 64 lower-case hex digits');

export const host = z
  .string()
  .refine(isHostWithPort, 'is not a host; write host or host:port, without scheme and without path');

export const httpUrl = z
  .string()
  .refine((text) => isRealm(text), 'is not a plain http or https URL; write it without user name and fragment');

export const realm = z
  .string()
  .refine(
    (text) => isRealm(text) && (text.startsWith('https://') || isLoopbackHost(new URL(text).host)),
    'is not a token realm; write the exact https URL of the challenge, without user name and fragment (http only on a loopback address)',
  );

export const deliveryUrl = z
  .string()
  .refine(
    (text) => isRealm(text) && (text.startsWith('https://') || isLoopbackHost(new URL(text).host)),
    'is not the URL of an HTTP target; write it as EventBridge calls it, https, without user name and fragment (http only on a loopback address)',
  );
/** Where ACR reaches a receiver. */
export const webhookUrl = z.string().superRefine((text, context) => {
  const fault = findWebhookUrlFault(text);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

export const endpoint = z
  .string()
  .refine(
    isEndpoint,
    'is not an endpoint; write host or host:port, which is spoken to by https, or http:// and a loopback address',
  );

export const untilTime = z
  .string()
  .refine(
    (text) => z.iso.date().safeParse(text).success || z.iso.datetime({ offset: true }).safeParse(text).success,
    'is not a time; write 2027-01-31 (its first moment, UTC), 2027-01-31T12:00:00Z, or null for good',
  );

/** A glob pattern over namespaces, repositories or tags. */
export function pattern(kind: PatternKind): z.ZodType<string, string> {
  return z.string().superRefine((text, context) => {
    const fault = findPatternFault(kind, text);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });
}

function isHostWithPort(text: string): boolean {
  const port = /:(\d+)$/.exec(text)?.[1];
  return isHost(text) && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535));
}

function isEndpoint(text: string): boolean {
  if (!text.startsWith('http://')) return isHostWithPort(text);
  const rest = text.slice('http://'.length);
  return isHostWithPort(rest) && isLoopbackHost(rest);
}

function isRealm(text: string): boolean {
  return /^https?:\/\/[^\s#@\\]+$/.test(text) && URL.canParse(text);
}
