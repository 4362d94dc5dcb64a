interface Stoppable {
  stop(): Promise<unknown>;
}

/** Keeps a part to be stopped at the end; gives it back. */
export type Keep = <Part extends Stoppable>(part: Part) => Part;

/** Runs `work` and stops all that it kept, in reverse order, also when it fails. */
export async function withParts<Result>(work: (keep: Keep) => Promise<Result>): Promise<Result> {
  const parts: Stoppable[] = [];
  try {
    return await work((part) => {
      parts.push(part);
      return part;
    });
  } finally {
    for (const part of parts.toReversed()) await part.stop();
  }
}
