import { createHash, randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { type AcrOptions, startAcr } from '../../support/start-acr.ts';

export type AtEnd = (cleanUp: () => Promise<void>) => void;

/** A secret as `token new` makes them, and what is never to be seen of it. */
export const token = randomBytes(32).toString('base64url');
const tokenSha256 = createHash('sha256').update(token).digest('hex');

/** An instance with a namespace of its own and two repositories, and a rules file that covers them. */
export async function openTriggers(atEnd: AtEnd, options: Partial<AcrOptions> = {}) {
  const namespace = `prod-${randomBytes(4).toString('hex')}`;
  const setting = await startAcr({ upstream: inject('fallbackHost'), namespaces: [namespace], ...options });
  atEnd(setting.stop);
  const { emulator, instance } = setting;
  const [app, other] = [`${namespace}/app`, `${namespace}/other`];
  for (const repository of [app, other]) instance.setRepository(repository, {});
  /** `acr` and `webhook` are texts for their maps; empty for none. */
  const rules = ({ acr = '', webhook = 'url: "https://hooks.example.com", tokenEnv: HOOK_TOKEN' } = {}) => `version: 1
registries:
  - name: lab
    host: registry.example.com
    acr: { instanceId: ${instance.instanceId}, region: cn-hangzhou, endpoint: "${emulator.url}"${acr} }
    webhook: { tokenSha256: ["${tokenSha256}"]${webhook && `, ${webhook}`} }
keys:
  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }
rules:
  - { name: all, registries: [lab], namespaces: { include: [${namespace}] }, key: dev, algorithm: ECDSA_SHA_256 }
`;
  const countCalls = (action: string) => emulator.calls.filter((call) => call.action === action).length;
  return { ...setting, namespace, app, other, rules, countCalls };
}
