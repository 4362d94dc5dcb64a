import type { Readable } from 'node:stream';

type LineListener = (line: string) => void;

/** The lines that a child process wrote, the newest `linesMax` of them, and a way to be told of the next. */
export interface OutputLines {
  readonly lines: readonly string[];
  readonly listeners: Set<LineListener>;
}

/** Collects whole lines of `stream`; a last line without its end counts when the stream ends. */
export function collectLines(stream: Readable, linesMax: number): OutputLines {
  const lines: string[] = [];
  const listeners = new Set<LineListener>();
  let unfinished = '';
  const add = (line: string): void => {
    lines.push(line);
    if (lines.length > linesMax) lines.shift();
    for (const listener of [...listeners]) listener(line);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (unfinished + chunk).split(/\r?\n/);
    unfinished = parts.pop() ?? '';
    for (const part of parts) add(part);
  });
  stream.on('end', () => {
    if (unfinished !== '') add(unfinished);
    unfinished = '';
  });
  return { lines, listeners };
}
