import { randomUUID } from 'node:crypto';
import { invalidParameter, requireParameter } from '../openapi-error.ts';
import { type AcrAction, type AcrCall, instanceOf } from './acr-call.ts';
import { type AcrInstance, stableId } from './acr-instance.ts';
import { authorizeEverywhere, authorizeRepository } from './acr-ram.ts';
import { AcrRefusal } from './acr-refusal.ts';
import { repositoryOf } from './acr-repositories.ts';

/** A webhook of one repository. */
export interface AcrTrigger {
  readonly triggerId: string;
  readonly name: string;
  readonly url: string;
  readonly type: TriggerType;
  /** ALL: anything; TAG_REG_EXP: the expression; a list: a JSON array of tags. */
  readonly tag: string;
}

/** Alibaba's pages name the list TAG_LIST for CreateRepoTrigger and TAG_LISTTAG for the two others: both are taken. */
const triggerTypes = ['ALL', 'TAG_LIST', 'TAG_LISTTAG', 'TAG_REG_EXP'] as const;
type TriggerType = (typeof triggerTypes)[number];

/** What a trigger may call (https://www.alibabacloud.com/help/doc-detail/60949.htm). */
const httpPorts = [80, 21, 443, 70, 210, 280, 488, 591, 777];
const listedTagsMax = 10;

export const createRepoTrigger: AcrAction = async (call) => {
  const { query } = call;
  const { list, instance, repository } = await triggersFor(call, 'cr:CreateWebHook');
  const trigger: AcrTrigger = {
    triggerId: stableId('crw', `${instance.instanceId}/${repository}/${randomUUID()}`),
    name: requireParameter(query, 'TriggerName'),
    url: readUrl(requireParameter(query, 'TriggerUrl')),
    ...readFilter(requireParameter(query, 'TriggerType'), requireParameter(query, 'TriggerTag')),
  };
  list.push(trigger);
  return { TriggerId: trigger.triggerId };
};

/** Not paged. */
export const listRepoTrigger: AcrAction = async (call) => {
  authorizeEverywhere(call.identity, 'cr:ListWebHook');
  const instance = instanceOf(call);
  const { fullName } = await repositoryOf(call, instance);
  const Triggers = instance.triggersOf(fullName).map(({ triggerId, name, url, type, tag }) => ({
    TriggerId: triggerId,
    TriggerName: name,
    TriggerUrl: url,
    TriggerType: type,
    TriggerTag: tag,
    RepoEvent: 'BUILD_SUCCESS',
  }));
  return { Triggers };
};

/** What the request leaves out stays. */
export const updateRepoTrigger: AcrAction = async (call) => {
  const { query } = call;
  const { list } = await triggersFor(call, 'cr:UpdateWebHook');
  const index = indexOfTrigger(call, list);
  const old = list[index];
  if (old === undefined) throw new AcrRefusal('TRIGGER_NOT_EXIST');
  list[index] = {
    ...old,
    name: query.get('TriggerName') ?? old.name,
    url: readUrl(query.get('TriggerUrl') ?? old.url),
    ...readFilter(query.get('TriggerType') ?? old.type, query.get('TriggerTag') ?? old.tag),
  };
  return {};
};

export const deleteRepoTrigger: AcrAction = async (call) => {
  const { list } = await triggersFor(call, 'cr:DeleteWebHook');
  const index = indexOfTrigger(call, list);
  if (index < 0) throw new AcrRefusal('TRIGGER_NOT_EXIST');
  list.splice(index, 1);
  return {};
};

/** Whether a push of this tag calls the trigger. Inferred: an expression must fit the whole tag. */
export function fires({ type, tag: filter }: AcrTrigger, tag: string): boolean {
  switch (type) {
    case 'ALL':
      return true;
    case 'TAG_REG_EXP':
      return new RegExp(`^(?:${filter})$`).test(tag);
    case 'TAG_LIST':
    case 'TAG_LISTTAG':
      return readTags(filter).includes(tag);
  }
}

interface FoundTriggers {
  readonly instance: AcrInstance;
  readonly repository: string;
  readonly list: AcrTrigger[];
}

async function triggersFor(call: AcrCall, action: string): Promise<FoundTriggers> {
  const instance = instanceOf(call);
  const { fullName } = await repositoryOf(call, instance);
  authorizeRepository(call.identity, action, instance, fullName);
  return { instance, repository: fullName, list: instance.triggersOf(fullName) };
}

function indexOfTrigger({ query }: AcrCall, list: readonly AcrTrigger[]): number {
  const triggerId = requireParameter(query, 'TriggerId');
  return list.findIndex((trigger) => trigger.triggerId === triggerId);
}

function readUrl(text: string): string {
  const url = URL.parse(text);
  const port = Number(url?.port || (url?.protocol === 'https:' ? 443 : 80));
  const isAllowed =
    (url?.protocol === 'https:' && port === 443) ||
    (url?.protocol === 'http:' && (httpPorts.includes(port) || port >= 1025));
  if (!isAllowed) throw invalidParameter('TriggerUrl');
  return text;
}

function readFilter(type: string, tag: string): { type: TriggerType; tag: string } {
  const known = triggerTypes.find((candidate) => candidate === type);
  if (known === undefined) throw invalidParameter('TriggerType');
  try {
    fires({ triggerId: '', name: '', url: '', type: known, tag }, '');
  } catch {
    throw invalidParameter('TriggerTag');
  }
  return { type: known, tag };
}

function readTags(text: string): readonly unknown[] {
  const tags: unknown = JSON.parse(text);
  if (!Array.isArray(tags) || tags.length > listedTagsMax) throw new Error('not a list of at most ten tags');
  return tags;
}
