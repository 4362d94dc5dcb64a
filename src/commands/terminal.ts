import { styleText } from 'node:util';

const colours = { good: 'green', bad: 'red', waiting: 'yellow', quiet: 'dim' } as const;

/** What a state means for whoever reads it. */
export type Tone = keyof typeof colours;

/** Colours a state word on a terminal; elsewhere, and with NO_COLOR, it stays as it is. FORCE_COLOR has the last word. */
export function paint(tone: Tone, text: string): string {
  return styleText(colours[tone], text, { stream: process.stdout });
}

/** Whoever can write to Redis or to a registry must not be able to write commands to a terminal. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '?');
}

/** Prints lines for people: what is in them has been through `withoutControls` where it comes from outside. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** Prints one line of JSON for scripts. */
export function printJson(value: unknown): void {
  process.stdout.write(`${withoutControls(JSON.stringify(value))}\n`);
}
