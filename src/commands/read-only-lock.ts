import type { SubjectLock } from '../ports/subject-lock.ts';

/** The lock of a command that writes nothing to a registry, and so never takes one. */
export const readOnlyLock: SubjectLock = {
  hold: () => Promise.reject(new Error('this command does not write')),
};
