import type { SignImageTools } from '../signing/sign-image.ts';

/** The tools of the pipeline that do not change with the rules or the registry. */
export type SignTools = Pick<SignImageTools, 'intents' | 'quota' | 'audit' | 'formats' | 'reached'>;
