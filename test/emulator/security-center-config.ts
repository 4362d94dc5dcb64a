import { z } from 'zod';

/** Security Center, its entries as it answers them. */
export const SecurityCenterConfig = z.strictObject({
  attestors: z
    .array(
      z.strictObject({
        Name: z.string().min(1),
        KeyId: z.string(),
        KeyVersionId: z.string(),
        KeyRegionId: z.string(),
        Remark: z.string().default(''),
      }),
    )
    .default([]),
  policies: z
    .array(
      z.strictObject({
        Name: z.string().min(1),
        Status: z.enum(['enabled', 'disabled']),
        Remark: z.string().default(''),
        // The SDK's models say a list and a map; requests carry both as JSON in a string.
        Clusters: z.union([
          z.array(z.strictObject({ ClusterId: z.string(), Namespaces: z.array(z.string()) })),
          z.string(),
        ]),
        Policy: z.union([z.record(z.string(), z.unknown()), z.string()]),
      }),
    )
    .default([]),
  /** Ids of the clusters that have kritis-validation-hook. */
  kritisClusters: z.array(z.string()).default([]),
});
