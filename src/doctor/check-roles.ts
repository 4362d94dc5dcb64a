import { type Check, ok, warning } from './check.ts';

/** A role of the rules. */
export interface RoleProbe {
  readonly roleArn: string;
  /** The keys or registries that are used through it. */
  readonly usedFor: readonly string[];
  /** Assumes it. @throws AutosignError `role-refused` with the statement that its trust policy lacks */
  assume(): Promise<void>;
  /** Whether it may do something that no signature needs; undefined where that was not looked at. */
  readonly isWide: (() => Promise<boolean>) | undefined;
}

/** Whether each role lets itself be assumed, and whether it may do more than it has to. */
export function roleChecks(probes: readonly RoleProbe[]): readonly Check[] {
  return probes.map(({ roleArn, usedFor, assume, isWide }) => ({
    area: 'role',
    subject: roleArn.replace(/^.*:role\//, ''),
    run: async () => {
      await assume();
      const assumed = ok(`can be assumed, for ${usedFor.join(', ')}`);
      if (isWide === undefined) return [assumed];
      return [assumed, (await isWide()) ? tooWide : ok('may not list the keys of the account')];
    },
  }));
}

const tooWide = warning(
  'it may list every key of the account, so it may do more than sign with ours',
  'Give the worker a role of its own: "autosign ram print --role worker" prints its policy. Until then only our session policy narrows it.',
);
