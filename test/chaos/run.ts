import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { tiedToParent } from '../../infra/processes/die-with-parent.ts';
import { ensureRequirements } from '../../infra/requirements/ensure-requirements.ts';
import { goProgram, goPrograms } from '../support/go-build.ts';
import type { RecordedResult } from './report.ts';

// `npm run test:chaos [-- arguments of vitest]`: the long form of all scenarios. Their results become the table in
// README.md; with arguments, when only some ran, those rows of it are replaced and the run is noted below the first one.

const vitest = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
const readme = join(import.meta.dirname, 'README.md');
const longScale = '10';
// The scenario with the most rounds takes some minutes of it.
const testTimeoutMs = 1_800_000;
const [begin, end] = ['<!-- results: made by npm run test:chaos -->', '<!-- end of results -->'];

const given = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'autosign-chaos-run-'));
const results = join(directory, 'results.jsonl');
try {
  process.exitCode = await run();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function run(): Promise<number> {
  const log = (line: string) => console.log(line);
  await ensureRequirements({ needed: ['redis-server', 'docker-registry'], install: true, log });
  for (const name of goPrograms) {
    if ((await goProgram(name)) !== undefined) continue;
    console.error('Go 1.26 or newer is needed: the scenarios use a registry and a verifier that are built with it');
    return 1;
  }
  const startedAt = Date.now();
  const exitCode = await runVitest();
  const rows = await recorded();
  const table = tableOf(rows);
  console.log(`\n${table}`);
  await writeTable(headOf(startedAt, exitCode), rows);
  return exitCode;
}

function runVitest(): Promise<number> {
  const args = [vitest, 'run', '--project', 'chaos', `--testTimeout=${testTimeoutMs}`, ...given];
  const tied = tiedToParent(process.execPath, args);
  const env = { ...process.env, CHAOS_SCALE: longScale, CHAOS_RESULTS: results };
  const child = spawn(tied.command, tied.args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A Ctrl-C in a terminal reaches vitest by itself, and a second SIGINT would cut its tidying short.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

async function recorded(): Promise<readonly RecordedResult[]> {
  const text = await readFile(results, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as RecordedResult).sort((a, b) => a.scenario.localeCompare(b.scenario));
}

function headOf(startedAt: number, exitCode: number): string {
  const minutes = Math.round((Date.now() - startedAt) / 60_000);
  const day = new Date(startedAt).toISOString().slice(0, 10);
  const verdict = exitCode === 0 ? 'every scenario passed' : 'some scenarios FAILED';
  return `Run of ${day}, ${minutes} minutes on ${cpus().length} cores, Node ${process.versions.node}: ${verdict}.`;
}

function tableOf(rows: readonly RecordedResult[]): string {
  const head = '| scenario | rounds | pushes | faults | lost | double | invalid | foreign | seconds |';
  const lines = rows.map((row) => {
    const { scenario, rounds, pushes, faults, lost, double, invalid, foreign, durationMs } = row;
    const cells = [scenario, rounds, pushes, faults, lost, double, invalid, foreign, (durationMs / 1_000).toFixed(1)];
    return `| ${cells.join(' | ')} |`;
  });
  return [head, '|---|---:|---:|---:|---:|---:|---:|---:|---:|', ...lines].join('\n');
}

async function writeTable(head: string, rows: readonly RecordedResult[]): Promise<void> {
  const text = await readFile(readme, 'utf8');
  const [before, rest] = text.split(begin);
  const [known, after] = rest?.split(end) ?? [];
  if (before === undefined || known === undefined || after === undefined) {
    throw new Error(`${readme} lacks the lines that hold the results`);
  }
  const content = given.length === 0 ? `${head}\n\n${tableOf(rows)}` : withRows(known, head, rows);
  await writeFile(readme, `${before}${begin}\n\n${content}\n\n${end}${after}`);
}

/** What stood there, with the rows of the scenarios that ran again in place of their old ones. */
function withRows(known: string, head: string, rows: readonly RecordedResult[]): string {
  const lines = known.trim().split('\n');
  const isRow = (line: string) => line.startsWith('| ') && !line.startsWith('| scenario ');
  const fresh = new Set(rows.map(({ scenario }) => scenario));
  const kept = lines.filter((line) => isRow(line) && !fresh.has(line.split(' | ')[0]?.slice(2) ?? ''));
  const heads = lines.filter((line) => line.startsWith('Run of '));
  const [tableHead = '', rule = '', ...freshRows] = tableOf(rows).split('\n');
  const all = [...kept, ...freshRows].sort((a, b) => a.localeCompare(b));
  return [
    ...heads.flatMap((line) => [line, '']),
    `${head} (${given.join(' ')} only)`,
    '',
    tableHead,
    rule,
    ...all,
  ].join('\n');
}
