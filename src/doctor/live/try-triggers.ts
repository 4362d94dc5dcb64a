import { z } from 'zod';
import type { AcrApi } from '../../alibaba/acr-api.ts';
import { isAutosignError } from '../../domain/errors.ts';
import type { Observed } from './observed.ts';

/** The two names that Alibaba's pages have for one type: CreateRepoTrigger's, and that of the other actions. */
const types = ['TAG_LIST', 'TAG_LISTTAG'] as const;
/** A host that no resolver knows (RFC 6761, "invalid."). */
const url = 'https://autosign-doctor.invalid/';
const Created = z.object({ TriggerId: z.string() });

/** Makes a trigger of each type, on one tag, for an address that nobody has. Whoever calls takes them away by their name. */
export async function tryTriggers(api: AcrApi, repositoryId: string, name: string): Promise<Observed['triedTriggers']> {
  const outcomes: { type: string; outcome: string }[] = [];
  for (const type of types) {
    const filter = { TriggerType: type, TriggerTag: JSON.stringify([name]) };
    const query = { RepoId: repositoryId, TriggerName: name, TriggerUrl: url, ...filter };
    try {
      await api.call('CreateRepoTrigger', Created, { query, once: true });
      outcomes.push({ type, outcome: 'taken' });
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      outcomes.push({ type, outcome: `refused (${error.message})` });
    }
  }
  return outcomes;
}
