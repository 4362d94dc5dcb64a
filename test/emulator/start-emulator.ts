import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../../src/ports/clock.ts';
import { createAcr, type EmulatedAcr, type EmulatedInstance } from './acr/acr.ts';
import { createAcrLogins } from './acr/acr-logins.ts';
import { EmulatorConfig, type KeyState } from './config.ts';
import { type Faults, noFaults } from './faults.ts';
import { createIdentities } from './identities.ts';
import { instanceDoor } from './instance-door.ts';
import { createKms } from './kms.ts';
import { createKmsInstance } from './kms-instance.ts';
import { publicKeyPem, type StoredKey, storeKey } from './kms-keys.ts';
import { apiVersions, openApiDoor } from './openapi-door.ts';
import type { Product } from './product.ts';
import type { RecordedCall } from './recorded-call.ts';
import { createSecurityCenter } from './security-center.ts';
import { type Door, serveRequest } from './serve-request.ts';
import { createSts } from './sts.ts';
import { tokenDoor } from './token-door.ts';
import { createTokenService } from './token-service.ts';

/** Alibaba's STS, KMS, KMS instance, ACR and its token service on one loopback port; each registry of ACR on one of its own. */
export interface Emulator {
  /** `http://127.0.0.1:<port>`; as it is the endpoint of STS, of KMS and of the KMS instance. */
  readonly url: string;
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly region: string;
  readonly accountId: string;
  /** Every request, in the order of the answers, without secrets. */
  readonly calls: readonly RecordedCall[];
  /** Every secret that was given out: of sessions, logins and bearer tokens. */
  readonly secrets: readonly string[];
  readonly faults: Faults;
  /** What a registry is configured with to trust the tokens of `/auth`. */
  readonly tokenService: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly rootCertificatePem: string;
  };
  readonly acr: EmulatedAcr;
  setKeyState(keyId: string, state: KeyState): void;
  /** Has an alias lead to another key. */
  pointAlias(alias: string, keyId: string): void;
  /** PEM, SPKI. */
  publicKey(keyId: string, keyVersionId: string): string;
  /** Ends every session that AssumeRole gave out. */
  expireSessions(): void;
  close(): Promise<void>;
}

/**
 * Starts an emulator; a config that is not valid is refused with zod's error.
 * @param sessionClock when sessions begin and end; requests are dated by the system's clock, as the SDKs do
 */
export async function startEmulator(written: EmulatorConfig, sessionClock: Clock = systemClock): Promise<Emulator> {
  const config = EmulatorConfig.parse(written);
  const secrets: string[] = [];
  const keys = new Map(config.keys.map((key) => [key.keyId, storeKey(key, config.accountId)]));
  const identities = createIdentities(config.users, sessionClock, secrets);
  const faults = { ...noFaults(), ...config.faults };
  const instances = new Map<string, EmulatedInstance>();
  const logins = createAcrLogins(sessionClock, instances, secrets);
  const tokenService = await createTokenService(config, logins, secrets);
  const acrParts = { config, clock: sessionClock, logins, tokenService, instances, realm: () => `${url}/auth` };
  const { acr, product: acrProduct, close: closeAcr } = createAcr(acrParts);
  const products: Readonly<Record<string, Product>> = {
    [apiVersions.sts]: createSts(config, identities),
    [apiVersions.kms]: createKms({ config, keys, faults }),
    [apiVersions.sas]: createSecurityCenter(config),
    [apiVersions.cr]: acrProduct,
  };
  const calls: RecordedCall[] = [];
  // The OpenAPI takes what no other door does.
  const doors: readonly Door[] = [
    tokenDoor(tokenService, calls),
    instanceDoor({ instance: createKmsInstance({ clientKeys: config.clientKeys, keys, faults }), faults, calls }),
    openApiDoor({ products, identities, faults, calls }),
  ];
  const server = createServer((request, response) => void serveRequest(doors, faults, request, response));
  const host = `127.0.0.1:${await listen(server, config.port)}`;
  const url = `http://${host}`;
  for (const instance of config.acr.instances) await acr.addInstance(instance);
  const { service, issuer } = config.tokenService;
  return {
    url,
    host,
    region: config.region,
    accountId: config.accountId,
    calls,
    secrets,
    faults,
    tokenService: { realm: `${url}/auth`, service, issuer, rootCertificatePem: tokenService.rootCertificatePem },
    acr,
    setKeyState(keyId, state) {
      storedKey(keys, keyId).state = state;
    },
    pointAlias(alias, keyId) {
      for (const { config } of keys.values()) config.aliases = config.aliases.filter((name) => name !== alias);
      storedKey(keys, keyId).config.aliases.push(alias);
    },
    publicKey(keyId, keyVersionId) {
      const version = storedKey(keys, keyId).versions.get(keyVersionId);
      if (version === undefined) throw new Error(`key ${keyId} has no version ${keyVersionId}`);
      return publicKeyPem(version);
    },
    expireSessions: () => identities.expireSessions(),
    close: async () => {
      await closeAcr();
      await close(server);
    },
  };
}

function storedKey(keys: ReadonlyMap<string, StoredKey>, keyId: string): StoredKey {
  const key = keys.get(keyId);
  if (key === undefined) throw new Error(`the emulator has no key ${keyId}`);
  return key;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeAllConnections();
  });
}
