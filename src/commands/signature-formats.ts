import type { Format } from '../domain/algorithm.ts';
import { notationJws } from '../formats/notation-jws.ts';
import type { SignatureFormat } from '../formats/signature-format.ts';

/** The formats that are built, by their names in the rules. */
export const signatureFormats: ReadonlyMap<Format, SignatureFormat> = new Map([[notationJws.name, notationJws]]);
