import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Ratio, Section, Table } from './scenario.ts';

const results = join(import.meta.dirname, 'results.md');
const [begin, end] = ['<!-- results: made by npm run bench -->', '<!-- end of results -->'];

/** The whole run as Markdown: date, machine, versions, all ratios, then a part for each scenario. */
export async function render(sections: readonly Section[], startedAt: Date): Promise<string> {
  const ratios = sections.flatMap((section) => section.ratios);
  const parts = sections.map(({ title, text, table }) => [`### ${title}`, ...text, renderTable(table)].join('\n\n'));
  return [await headOf(startedAt), '### Ratios', renderTable(ratioTable(ratios)), ...parts].join('\n\n');
}

/** Puts the text between the marks of results.md; what stands before them was written by hand. */
export async function writeResults(text: string): Promise<void> {
  const known = await readFile(results, 'utf8');
  const [before, rest] = known.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${results} lacks the lines that hold the results`);
  await writeFile(results, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}

async function headOf(startedAt: Date): Promise<string> {
  const minutes = Math.round((Date.now() - startedAt.getTime()) / 60_000);
  const [{ model = 'unknown processor' } = {}] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  const machine = `${cpus().length} cores (${model.trim()}), ${memory} GiB, Linux ${release()}`;
  const versions = [
    `Node ${process.versions.node}`,
    await versionOf('redis-server', ['--version'], /v=(\S+)/, 'Redis'),
    await versionOf('docker-registry', ['--version'], /v?(\d\S+)$/, 'docker-registry'),
    await versionOf('go', ['version'], /go(\d\S+)/, 'Go'),
  ];
  return `Run of ${startedAt.toISOString().slice(0, 16)}Z, ${minutes} minutes on ${machine}; ${versions.join(', ')}.`;
}

async function versionOf(command: string, args: readonly string[], pattern: RegExp, name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args);
  return `${name} ${pattern.exec(stdout.trim())?.[1] ?? 'of unknown version'}`;
}

function ratioTable(ratios: readonly Ratio[]): Table {
  const verdict = (reached: boolean | undefined) => (reached === undefined ? '' : reached ? 'yes' : '**no**');
  return {
    head: ['what', 'measured', 'against', 'ratio', 'aim', 'reached'],
    rows: ratios.map(({ what, measured, against, ratio, aim, reached }) => [
      what,
      measured,
      against,
      ratio?.toFixed(2) ?? '',
      aim,
      verdict(reached),
    ]),
  };
}

function renderTable({ head, rows }: Table): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
