import 'reflect-metadata';
import { createPublicKey, randomUUID, sign, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';

export interface EventBridgeOptions {
  readonly region: string;
  readonly accountId: string;
}

/** The image that an event tells of. */
interface PushedArtifact {
  readonly instanceId: string;
  /** Namespace and name. */
  readonly repository: string;
  readonly tag: string;
}

/** One request of an HTTP target. */
export interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface DeliveryOptions {
  /** The URL of the target: it is signed. */
  readonly url: string;
  /** The signature token of the target. */
  readonly token: string;
  /** Milliseconds since 1970; the time of the system by default. */
  readonly timestamp?: number;
  readonly certificateUrl?: string;
  /** Whether a line feed is signed after the body, as Alibaba's library does, and its documentation does not. */
  readonly endsWithLineFeed?: boolean;
}

/** EventBridge of one region and the events of one account: what it signs with is its own, like everybody's. */
export interface EventBridge {
  readonly region: string;
  readonly accountId: string;
  /** Where the certificate is said to be: the real host of the region. */
  readonly certificateUrl: string;
  readonly certificatePem: string;
  /** SPKI. */
  readonly publicKeyPem: string;
  /** A CloudEvent of the given type as EventBridge hands it on, whole; `changes` replaces what it names. */
  event(image: PushedArtifact, changes?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Signs what an HTTP target gets; a text is sent as it is. */
  sign(event: Readonly<Record<string, unknown>> | string, options: DeliveryOptions): Delivery;
  /** Sends it: to `to` where given, which a proxy would do. */
  deliver(
    event: Readonly<Record<string, unknown>> | string,
    options: DeliveryOptions & { readonly to?: string },
  ): Promise<Response>;
}

/** Makes a key and its certificate, and signs deliveries as documented for EventBridge's HTTP targets (version 2). */
export async function createEventBridge({ region, accountId }: EventBridgeOptions): Promise<EventBridge> {
  const { privateKeyPem, certificatePem } = await keyAndCertificate();
  const certificateUrl = `https://${region}-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_2026112801.pem`;

  function signDelivery(event: Readonly<Record<string, unknown>> | string, options: DeliveryOptions): Delivery {
    const body = typeof event === 'string' ? event : JSON.stringify(event);
    const signed = {
      'x-eventbridge-signature-timestamp': String(options.timestamp ?? Date.now()),
      'x-eventbridge-hash-method': 'SHA256',
      'x-eventbridge-signature-version': '1.0',
      'x-eventbridge-signature-url': options.certificateUrl ?? certificateUrl,
      'x-eventbridge-signature-token': options.token,
    };
    const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}`);
    const text = [options.url, ...lines, body].join('\n') + (options.endsWithLineFeed === true ? '\n' : '');
    const signature = sign('RSA-SHA256', Buffer.from(text), privateKeyPem).toString('base64');
    return {
      headers: { 'content-type': 'application/json', ...signed, 'x-eventbridge-signature-v2': signature },
      body,
    };
  }

  return {
    region,
    accountId,
    certificateUrl,
    certificatePem,
    publicKeyPem: String(createPublicKey(certificatePem).export({ type: 'spki', format: 'pem' })),
    event: (image, changes = {}) => ({ ...pushCompleted(image, { region, accountId }), ...changes }),
    sign: signDelivery,
    deliver: (event, { to, ...options }) => {
      const { headers, body } = signDelivery(event, options);
      return fetch(to ?? options.url, { method: 'POST', headers: { ...headers, connection: 'close' }, body });
    },
  };
}

/** The envelope as documented; of `data` the names that ACR's other events have, without a digest. */
function pushCompleted({ instanceId, repository, tag }: PushedArtifact, { region, accountId }: EventBridgeOptions) {
  const slash = repository.indexOf('/');
  const now = new Date().toISOString();
  return {
    id: randomUUID(),
    source: 'acs.cr',
    specversion: '1.0',
    subject: `acs.cr:${region}:${accountId}:215672`,
    time: now,
    type: 'cr:Artifact:PushCompleted',
    aliyunaccountid: accountId,
    aliyunpublishtime: now,
    aliyuneventbusname: 'default',
    aliyunregionid: region,
    aliyunpublishaddr: '172.25.0.1',
    data: {
      InstanceName: 'emulated',
      InstanceId: instanceId,
      RepoNamespaceName: repository.slice(0, slash),
      RepoName: repository.slice(slash + 1),
      RepoId: 'crr-emulated',
      RegionId: region,
      Tag: tag,
    },
  };
}

async function keyAndCertificate(): Promise<{ readonly privateKeyPem: string; readonly certificatePem: string }> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=eventbridge',
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    certificatePem: certificate.toString('pem'),
  };
}
