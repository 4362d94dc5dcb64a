import { requireParameter } from '../openapi-error.ts';
import { type AcrAction, instanceOf } from './acr-call.ts';
import type { AcrInstance } from './acr-instance.ts';
import { anyPage } from './acr-paging.ts';
import { authorizeEverywhere, authorizeRepositories, authorizeRepository } from './acr-ram.ts';
import { AcrRefusal } from './acr-refusal.ts';
import { repositoryOf } from './acr-repositories.ts';
import { hexOf } from './upstream-registry.ts';

/** Times are strings here, and numbers in GetRepoTag. */
export const listRepoTag: AcrAction = async (call) => {
  const { query, identity } = call;
  const instance = instanceOf(call);
  authorizeEverywhere(identity, 'cr:ListRepositoryTag');
  const { fullName } = await repositoryOf(call, instance);
  const all = await instance.tags(fullName);
  const { items, fields } = anyPage(all, query, (tag) => tag);
  const found = await Promise.all(items.map((tag) => describeTag(instance, fullName, tag)));
  // A tag may have gone since the list was made.
  const Images = found.flatMap((image) => (image === undefined ? [] : [image])).map(withTextTimes);
  return { Images, ...fields, TotalCount: `${all.length}` };
};

export const getRepoTag: AcrAction = async (call) => {
  const instance = instanceOf(call);
  authorizeRepositories(call.identity, 'cr:ListRepositoryTag', instance);
  const { fullName } = await repositoryOf(call, instance);
  const image = await describeTag(instance, fullName, requireParameter(call.query, 'Tag'));
  if (image === undefined) throw new AcrRefusal('REPO_TAG_NOT_EXIST');
  return image;
};

/** Inferred: the action's name and its resource. */
export const deleteRepoTag: AcrAction = async (call) => {
  const instance = instanceOf(call);
  const { fullName } = await repositoryOf(call, instance);
  authorizeRepository(call.identity, 'cr:DeleteRepositoryTag', instance, fullName);
  const tag = requireParameter(call.query, 'Tag');
  if ((await describeTag(instance, fullName, tag)) === undefined) throw new AcrRefusal('REPO_TAG_NOT_EXIST');
  instance.hideTag(fullName, tag);
  return {};
};

async function describeTag(instance: AcrInstance, repository: string, tag: string) {
  const digest = instance.isHidden(repository, tag) ? undefined : await instance.upstream.digestOf(repository, tag);
  if (digest === undefined) return undefined;
  const { imageId, size } = await instance.upstream.details(repository, digest);
  const times = instance.pushTimes(repository, tag);
  return {
    Tag: tag,
    Digest: hexOf(digest),
    ImageId: imageId,
    ImageSize: size,
    ImageCreate: times.firstMs,
    ImageUpdate: times.lastMs,
    Status: 'NORMAL',
  };
}

function withTextTimes<T extends { ImageCreate: number; ImageUpdate: number }>(image: T) {
  return { ...image, ImageCreate: `${image.ImageCreate}`, ImageUpdate: `${image.ImageUpdate}` };
}
