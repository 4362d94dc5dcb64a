import type { CheckedConfig } from './config.ts';
import { authorize } from './identities.ts';
import { invalidParameter, OpenApiError, requireParameter } from './openapi-error.ts';
import type { Product } from './product.ts';

const pageSizeDefault = 20;
const pageSizeMax = 100;

/** What changes attestors and policies. It is answered and recorded, so that a test sees when a client calls it. */
const writeActions: readonly string[] = [
  'CreateAttestor',
  'ModifyAttestor',
  'DeleteAttestor',
  'CreateBinarySecurityPolicy',
  'ModifyBinarySecurityPolicy',
  'DeleteBinarySecurityPolicy',
];

/** Security Center 2018-12-03 (`sas`): the attestors and binary security policies of container signatures. */
export function createSecurityCenter({ securityCenter }: Pick<CheckedConfig, 'securityCenter'>): Product {
  const { attestors, policies, kritisClusters } = securityCenter;
  return (action, query, identity) => {
    authorize(identity, `yundun-sas:${action}`, '*', 'NoPermission');
    switch (action) {
      case 'DescribeAttestors':
        return listPage('Attestors', named(attestors, query), query);
      case 'DescribeBinarySecurityPolicies': {
        const status = query.get('Status') ?? '';
        const wanted = named(policies, query).filter((policy) => status === '' || policy.Status === status);
        return listPage('BinarySecurityPolicies', wanted, query);
      }
      case 'DescribeContainerServiceK8sClusterKritisStatus':
        return { KritisStatus: { Install: kritisClusters.includes(requireParameter(query, 'ClusterId')) } };
      default:
        if (writeActions.includes(action)) return {};
        throw new OpenApiError(404, 'InvalidAction.NotFound', `Specified api is not found: ${action}`);
    }
  };
}

function named<Entry extends { readonly Name: string }>(entries: readonly Entry[], query: URLSearchParams) {
  const name = query.get('Name') ?? '';
  return entries.filter((entry) => entry.Name.includes(name));
}

function listPage(field: string, entries: readonly unknown[], query: URLSearchParams): Record<string, unknown> {
  const currentPage = Number(query.get('CurrentPage') ?? 1);
  const pageSize = Number(query.get('PageSize') ?? pageSizeDefault);
  if (!Number.isInteger(currentPage) || currentPage < 1) throw invalidParameter('CurrentPage');
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > pageSizeMax) throw invalidParameter('PageSize');
  const page = entries.slice((currentPage - 1) * pageSize, currentPage * pageSize);
  const pageInfo = {
    Count: page.length,
    CurrentPage: currentPage,
    PageSize: pageSize,
    // As other products of the account answer counts: a client must take both.
    TotalCount: String(entries.length),
  };
  return { [field]: page, PageInfo: pageInfo };
}
