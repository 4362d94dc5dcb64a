import { readFile } from 'node:fs/promises';
import { AutosignError } from '../domain/errors.ts';
import { isValidToken } from '../receiver/tokens.ts';
import type { Registry, WebhookTrigger } from '../rules/rule-set.ts';

/** The longest token that is looked at; ours have 43 characters. */
const tokenLengthMax = 1_024;

/**
 * Where the triggers of a registry call, its token at the end: read from where the rules file says and held against the
 * hashes that stand there, since a trigger with another token is refused by our own receiver.
 * @throws AutosignError `settings-invalid`, which quotes nothing of the token
 */
export async function readTriggerUrl({ name, webhook, origin }: Registry, env: NodeJS.ProcessEnv): Promise<string> {
  const refuse = (reason: string) =>
    new AutosignError('settings-invalid', `${origin.file}:${origin.line}: registry ${name}: ${reason}`);
  if (webhook?.trigger === undefined) {
    throw refuse('webhook has no url and no token to make triggers with; add url, and tokenEnv or tokenFile');
  }
  const { url, token: source } = webhook.trigger;
  const place = source.kind === 'env' ? `the variable ${source.name}` : source.path;
  const token = await readToken(source, env);
  if (token === undefined || token === '') {
    throw refuse(`${place} does not hold the token of the webhook; put it there`);
  }
  if (token.length > tokenLengthMax || !isValidToken(token, webhook.tokenSha256)) {
    throw refuse(
      `the token in ${place} is not one whose hash stands in webhook.tokenSha256; the receiver would refuse it. Put the right one there, or its hash into the rules file`,
    );
  }
  return `${url.replace(/\/+$/, '')}/webhooks/acr/${name}/${encodeURIComponent(token)}`;
}

async function readToken(source: WebhookTrigger['token'], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (source.kind === 'env') return env[source.name]?.trim();
  return (await readFile(source.path, 'utf8').catch(() => undefined))?.trim();
}
