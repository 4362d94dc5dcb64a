import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A secret, and what to call it in a message. */
export interface NamedSecret {
  readonly name: string;
  readonly value: string;
}

/** Something that a secret could have got into. */
export interface SearchedPlace {
  readonly name: string;
  readonly content: Uint8Array | string;
}

/** Shorter values stand everywhere by chance. */
const lengthMin = 12;

/**
 * Where secrets stand, as `<place>: <secret>`: as they are, in base64 of any alignment, as hex, in a URL, in JSON, or the
 * middle half of them, which a shortened or masked text may leave.
 */
export function findSecrets(secrets: readonly NamedSecret[], places: readonly SearchedPlace[]): readonly string[] {
  const forms = secrets.map(({ name, value }) => {
    if (value.length < lengthMin) throw new Error(`${name} is too short to be looked for`);
    return { name, forms: formsOf(value) };
  });
  return places.flatMap(({ name: place, content }) => {
    const bytes = Buffer.from(content);
    return forms
      .filter(({ forms: some }) => some.some((form) => bytes.includes(form)))
      .map(({ name }) => `${place}: ${name}`);
  });
}

/** Every file below `directory`, one place each. */
export async function filesBelow(directory: string): Promise<readonly SearchedPlace[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(files.map(async (name) => ({ name, content: await readFile(name) })));
}

function formsOf(value: string): readonly string[] {
  const quarter = Math.floor(value.length / 4);
  const parts = [value, value.length < 4 * lengthMin ? value : value.slice(quarter, -quarter)];
  return [
    ...new Set(
      parts.flatMap((part) => [
        part,
        encodeURIComponent(part),
        JSON.stringify(part).slice(1, -1),
        Buffer.from(part).toString('hex'),
        ...base64Forms(part),
      ]),
    ),
  ];
}

/** What the bytes become in base64 behind none, one and two others, without the characters that others have a part in. */
function base64Forms(part: string): readonly string[] {
  return [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(part)]).toString('base64');
    const inner = text.slice(shift === 0 ? 0 : 4, -4);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
