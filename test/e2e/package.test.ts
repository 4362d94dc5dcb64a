import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram } from '../../infra/processes/find-program.ts';
import { startProcess } from '../../infra/processes/start-process.ts';
import { version } from '../../src/domain/version.ts';

const project = join(import.meta.dirname, '../..');
const timeoutMs = 60_000;
const nodeMajorLeast = 24;

// Below node_modules, where a package is installed and where Node strips no types.
let installed = '';
beforeAll(async () => {
  const cache = join(project, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  installed = mkdtempSync(join(cache, 'acr-autosign-'));
  copyFileSync(join(project, 'package.json'), join(installed, 'package.json'));
  const build = ['-p', join(project, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')];
  const { code, output } = await run(join(project, 'node_modules/.bin/tsc'), build);
  expect(code, output).toBe(0);
});
afterAll(() => rmSync(installed, { recursive: true, force: true }));

async function run(command: string, args: readonly string[]) {
  const started = await startProcess({ command, args, timeoutMs });
  const { code } = await started.exited;
  return { code, output: [...started.stdout, ...started.stderr].join('\n') };
}

function autosign(args: readonly string[], node = process.execPath) {
  return run(node, [join(installed, 'dist/main.js'), ...args]);
}

describe('the built package', () => {
  test('tells its version, which is that of package.json', async () => {
    expect(await autosign(['--version'])).toEqual({ code: 0, output: version });
    const { version: packaged } = JSON.parse(
      execFileSync(process.execPath, ['-p', 'JSON.stringify(require("./package.json"))'], { cwd: project }).toString(),
    );
    expect(version).toBe(packaged);
  });

  test('lists its commands and exit codes', async () => {
    const { code, output } = await autosign(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'work', 'up', 'status', 'verify', 'rules', 'cert', 'token', 'completion'])
      expect(output).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    expect(output).toContain('Exit codes:');
  });

  test.for([
    'serve',
    'work',
    'up',
    'status',
    'verify',
    'rules check',
    'rules explain',
    'rules schema',
    'cert issue',
    'token new',
    'completion',
  ])('explains %s with an example and its exit codes', async (command) => {
    const { code, output } = await autosign([...command.split(' '), '--help']);
    expect(code).toBe(0);
    expect(output).toContain(`Usage: autosign ${command} `);
    expect(output).toMatch(new RegExp(`Examples?:\\n.*autosign ${command}`, 's'));
    expect(output).toMatch(/Exit codes:/);
  });

  test('explains a command by "help" too', async () => {
    expect(await autosign(['help', 'verify'])).toEqual(await autosign(['verify', '--help']));
  });

  const oldNode = findOldNode();
  test.skipIf(oldNode === undefined)(
    `refuses a Node older than ${nodeMajorLeast} in one sentence${oldNode === undefined ? ' (skipped: no such Node on PATH)' : ''}`,
    async () => {
      const { code, output } = await autosign(['--help'], oldNode);
      expect(code).toBe(2);
      expect(output).toMatch(/^autosign needs Node\.js 24 or newer; this is \d+\.\d+\.\d+ \(.*\)\. Install/);
      expect(output.split('\n')).toHaveLength(1);
    },
  );
});

/** The first Node on PATH, beside those of the project, that is too old. */
function findOldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const nodes = folders.flatMap((folder) => findProgram('node', folder) ?? []);
  return nodes.find((node) => {
    const found = execFileSync(node, ['--version']).toString();
    return Number(/^v(\d+)/.exec(found)?.[1]) < nodeMajorLeast;
  });
}
