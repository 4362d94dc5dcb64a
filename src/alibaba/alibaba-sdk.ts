import { createRequire } from 'node:module';

// Alibaba's packages are CommonJS with a `default` export of their own, which loaders disagree on when it is imported
// (Node gives `exports`, bundlers and test runners `exports.default`); `require` always gives `exports`.
type OpenApiCore = typeof import('@alicloud/openapi-core', { with: { 'resolution-mode': 'require' }});
type Credentials = typeof import('@alicloud/credentials', { with: { 'resolution-mode': 'require' }});

const require = createRequire(import.meta.url);
const core = require('@alicloud/openapi-core') as OpenApiCore;
const credentials = require('@alicloud/credentials') as Credentials;

/** The generic client of Alibaba's OpenAPI gateways. */
export const OpenApiClient = core.default;
export const { Config, OpenApiRequest, Params } = core.$OpenApiUtil;

/** Builds the default chain of credential providers, which reads the environment and files when it is asked. */
export function createDefaultChain(): InstanceType<Credentials['default']> {
  return new credentials.default();
}
