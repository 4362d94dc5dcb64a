import type { Format } from '../domain/algorithm.ts';
import { cosign } from './cosign.ts';
import { notationJws } from './notation-jws.ts';
import type { SignatureFormat } from './signature-format.ts';

/** Every format that is built; rules that ask for another one are refused at load. */
export const builtFormats: ReadonlyMap<Format, SignatureFormat> = new Map<Format, SignatureFormat>([
  [notationJws.name, notationJws],
  [cosign.name, cosign],
]);
