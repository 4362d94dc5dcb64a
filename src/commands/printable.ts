/** Whoever can write to Redis, or is a registry, must not be able to write commands to a terminal. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '?');
}
