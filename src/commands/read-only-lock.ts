import type { SubjectLock } from '../ports/subject-lock.ts';

/** For whoever only looks at registries: who writes nothing never takes a lock. */
export const readOnlyLock: SubjectLock = {
  hold: () => Promise.reject(new Error('this command does not write to registries')),
};
