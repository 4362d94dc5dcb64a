import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type ClientKey, clientKeyOf, readClientKeyFile } from '../alibaba/client-key.ts';
import type { KmsCall } from '../alibaba/kms-call.ts';
import { checkClientKey, createKmsInstanceKey, type KmsInstanceKey } from '../alibaba/kms-instance-key.ts';
import { sha256Hex } from '../domain/digest.ts';
import { isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Key, KmsInstanceKeySource } from '../rules/rule-set.ts';
import { type InstanceSettings, instanceFault, readInstanceSettings } from './instance-settings.ts';

/** When the ClientKey that a key is used with ends. */
export interface ClientKeyEnd {
  /** Of the rules file. */
  readonly key: string;
  readonly clientKeyId: string;
  readonly notAfter: Date;
}

export interface InstanceKeysOptions {
  readonly clock: Clock;
  /** How long one call may take. */
  readonly timeouts: { readonly connectTimeoutMs: number; readonly readTimeoutMs: number };
  readonly env: NodeJS.ProcessEnv;
  /** Told once a day of each ClientKey that ends within 30 days. */
  readonly onEnding?: ((ending: ClientKeyEnd) => void) | undefined;
}

/** The keys of KMS instances that are open. */
export interface InstanceKeys {
  /**
   * The same key again while its entry, the environment and its files stay as they are: a ClientKey that is replaced on
   * the disk is used from then on.
   * @throws AutosignError `key-unusable` with the place of the entry
   */
  open(key: Key, source: KmsInstanceKeySource, onCall: (call: KmsCall) => void): Promise<KmsInstanceKey>;
  /** Of all ClientKeys whose end is known, also those that are over. */
  ends(): readonly ClientKeyEnd[];
}

interface Opened {
  readonly fingerprint: string;
  readonly instanceKey: KmsInstanceKey;
  readonly clientKey: ClientKey;
}

const dayMs = 24 * 3600 * 1000;
/** Time to make another one: an administrator of the KMS instance has to. */
const warnBeforeMs = 30 * dayMs;

export function createInstanceKeys({ clock, timeouts, env, onEnding }: InstanceKeysOptions): InstanceKeys {
  const opened = new Map<string, Opened>();
  const warnedAtMs = new Map<string, number>();

  function warn(key: string, { id, notAfter }: ClientKey): void {
    const nowMs = clock.now().getTime();
    if (notAfter === undefined || notAfter.getTime() - nowMs > warnBeforeMs) return;
    if (nowMs < (warnedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) + dayMs) return;
    warnedAtMs.set(key, nowMs);
    onEnding?.({ key, clientKeyId: id, notAfter });
  }

  return {
    open: async (key, source, onCall) => {
      const settings = readInstanceSettings(key, source, env);
      const texts = await readTexts(key, settings);
      const fingerprint = sha256Hex(JSON.stringify([settings, texts]));
      const before = opened.get(key.name);
      const found = before?.fingerprint === fingerprint ? before : undefined;
      const { clientKey, instanceKey } = found ?? openKey(key, settings, texts, { clock, timeouts, onCall });
      // The one before may still be in use; its connections end by themselves when they are idle.
      opened.set(key.name, { fingerprint, instanceKey, clientKey });
      warn(key.name, clientKey);
      naming(key, clientKeyFileOf(settings), () => checkClientKey(clientKey, clock.now()));
      return instanceKey;
    },
    ends: () =>
      [...opened].flatMap(
        ([
          key,
          {
            clientKey: { id, notAfter },
          },
        ]) => (notAfter === undefined ? [] : [{ key, clientKeyId: id, notAfter }]),
      ),
  };
}

interface Texts {
  readonly clientKey: string;
  readonly ca: string | undefined;
}

async function readTexts(key: Key, settings: InstanceSettings): Promise<Texts> {
  const read = async (field: string, file: string) => {
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw instanceFault(key, `${field} ${file} cannot be read. Check that it is there and who may read it.`, cause);
    }
  };
  const { clientKey, caFile } = settings;
  const field = 'file' in clientKey ? 'clientKeyFile' : 'privateKeyFile';
  return {
    clientKey: await read(field, clientKeyFileOf(settings)),
    ca: caFile === undefined ? undefined : await read('caFile', caFile),
  };
}

function openKey(
  key: Key,
  { endpoint, region, keyId, clientKey: source, caFile }: InstanceSettings,
  { clientKey: text, ca }: Texts,
  options: Pick<InstanceKeysOptions, 'clock' | 'timeouts'> & { readonly onCall: (call: KmsCall) => void },
): Pick<Opened, 'clientKey' | 'instanceKey'> {
  const clientKey =
    'file' in source
      ? naming(key, source.file, () => readClientKeyFile(text, source.password))
      : naming(key, source.privateKeyFile, () => clientKeyOf(source.id, text));
  if (ca !== undefined && !isCertificate(ca)) {
    throw instanceFault(key, `caFile ${caFile} holds no certificate in PEM; get the instance's from the KMS console.`);
  }
  const instanceKey = naming(key, 'endpoint', () =>
    createKmsInstanceKey({ endpoint, region, keyId, clientKey, ca, ...options }),
  );
  return { clientKey, instanceKey };
}

function clientKeyFileOf({ clientKey }: InstanceSettings): string {
  return 'file' in clientKey ? clientKey.file : clientKey.privateKeyFile;
}

/** Says of which key and file a fault is. */
function naming<T>(key: Key, what: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    throw instanceFault(key, `${what}: ${error.message}`, error);
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
