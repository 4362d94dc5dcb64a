export interface PushedTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest?: string | undefined;
}

/** The body of ACR's trigger for a pushed tag. */
export function acrEventBody({ repository, tag, digest }: PushedTag): string {
  const slash = repository.indexOf('/');
  return JSON.stringify({
    push_data: { tag, pushed_at: '2026-01-01 08:00:00', ...(digest && { digest }) },
    repository: {
      name: repository.slice(slash + 1),
      namespace: repository.slice(0, slash),
      repo_full_name: repository,
      region: 'cn-hangzhou',
    },
  });
}
