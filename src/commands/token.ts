import { createHash, randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { AutosignError } from '../domain/errors.ts';
import { registryNamePattern } from '../domain/registry-name.ts';

// 256 bits: nobody guesses it, so a plain hash of it is enough.
const tokenBytes = 32;

export interface WebhookToken {
  readonly registry: string;
  /** Base64url, 43 characters. */
  readonly token: string;
  /** Lower-case hex, for the rules file. */
  readonly tokenSha256: string;
  /** Path of the webhook's URL; holds the token, because ACR can send it nowhere else. */
  readonly path: string;
}

const example = `
Examples:
  $ autosign token new prod
  $ autosign token new prod --json

For a trigger of ACR: put the hash under webhook of the registry, and the path, behind your public address, into the
trigger. For EventBridge: put the hash under eventBridge, and the token into the HTTP target as its signature token; its
URL ends with /webhooks/eventbridge/REGISTRY and holds no token. Use one token for one of the two.

The token is shown once and stored nowhere. To rotate: add the new hash as the second one, change the trigger or the
target, take the old hash out.

Exit codes:
  0 ok  2 usage`;

/** `autosign token …` */
export function tokenCommand(): Command {
  const command = new Command('token').description('make webhook tokens');
  command
    .command('new')
    .description('print a new token for the webhook or EventBridge of a registry, once, with its hash')
    .argument('<registry>', 'name of the registry in the rules file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', example)
    .action((registry: string, { json }: { readonly json?: true }) => {
      const made = newWebhookToken(registry);
      process.stdout.write(json === true ? `${JSON.stringify(made)}\n` : describe(made));
    });
  return command;
}

/**
 * Makes a token of 256 random bits.
 * @throws AutosignError `usage` when `registry` cannot be the name of a registry
 */
export function newWebhookToken(registry: string): WebhookToken {
  if (!registryNamePattern.test(registry)) {
    const expected = 'expected 1 to 63 of a-z, 0-9 and -, not beginning with -, as in the rules file';
    throw new AutosignError('usage', `"${registry}" cannot be the name of a registry: ${expected}`);
  }
  const token = randomBytes(tokenBytes).toString('base64url');
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  return { registry, token, tokenSha256, path: `/webhooks/acr/${registry}/${token}` };
}

function describe({ registry, token, tokenSha256, path }: WebhookToken): string {
  return `Token, shown this once:
  ${token}

In the rules file:
  registries:
    - name: ${registry}
      webhook: { tokenSha256: ["${tokenSha256}"] }

Path of the trigger's URL in ACR:
  ${path}

For EventBridge write the hash under eventBridge instead of webhook; the token is the signature token of the HTTP target,
whose URL ends with
  /webhooks/eventbridge/${registry}
`;
}
