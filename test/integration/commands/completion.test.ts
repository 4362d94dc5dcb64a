import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { startProcess } from '../../../infra/processes/start-process.ts';
import { directoryWith, runCommand } from './run-command.ts';

const main = join(import.meta.dirname, '../../../src/main.ts');
const lineTimeoutMs = 50_000;

// Answers the completion script as the product does, and says what else it was called with.
const autosign = `#!/bin/sh
if [ "$1" = complete ]; then exec '${process.execPath}' '${main}' "$@"; fi
echo "RAN: $*"
`;

const rules = 'registries: [{ name: lab }, { name: prod }]\nkeys: [{ name: release }]\n';

/** How each shell is started bare, and made ready. */
const shells = {
  bash: { command: 'bash --norc -i', setUp: 'source ./completion', terminal: 'dumb' },
  // Without this binding, zsh itself evaluates what is typed before it completes.
  zsh: {
    command: 'zsh -f -i',
    setUp: "autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; source ./completion",
    terminal: 'dumb',
  },
  fish: { command: 'fish --no-config -i', setUp: 'source ./completion', terminal: 'xterm' },
} as const;

/** A shell on a terminal of its own, in a folder with a rules file, whose completion script has been read. */
async function openShell(shell: keyof typeof shells, { onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const script = await runCommand(['completion', shell]);
  expect(script).toMatchObject({ code: 0, stderr: '' });
  const files = { autosign, completion: `${script.stdout}\n`, 'rules.yaml': rules };
  const directory = directoryWith(files, onTestFinished);
  chmodSync(join(directory, 'autosign'), 0o755);
  const { command, setUp, terminal } = shells[shell];
  const started = await startProcess({
    command: 'script',
    args: ['--quiet', '--return', '--command', command, '/dev/null'],
    env: { PATH: `${directory}:${process.env['PATH']}`, TERM: terminal, HOME: directory },
    directory,
    timeoutMs: lineTimeoutMs,
  });
  onTestFinished(() => started.stop(0).then(() => undefined));
  // The quotes keep the line that is typed, which the terminal shows, from being the answer.
  started.write(`${setUp}; echo re''ady\n`);
  await started.waitForLine((line) => line.includes('ready'), lineTimeoutMs);
  let count = 0;
  return {
    directory,
    /** Types, with a Tab at each `→`, ends the line, and answers the arguments with which the program was called. */
    type: async (line: string): Promise<string> => {
      count += 1;
      started.write(`${line.replaceAll('→', '\t')} ${count}\n`);
      const ran = await started.waitForLine(
        (each) => each.includes('RAN: ') && each.trimEnd().endsWith(` ${count}`),
        lineTimeoutMs,
      );
      return ran.slice(ran.indexOf('RAN: ') + 5).trimEnd();
    },
  };
}

describe.concurrent.for(['bash', 'zsh', 'fish'] as const)('in a real %s', (shell) => {
  test('completes commands, options, values, names of the rules file, and files', async (context) => {
    const { type } = await openShell(shell, context);
    expect(await type('autosign rec→')).toBe('reconcile 1');
    expect(await type('autosign dead ret→ --al→ --code registry-den→')).toBe(
      'dead retry --all --code registry-denied 2',
    );
    expect(await type('autosign reconcile --rules rul→ --registry l→')).toBe(
      'reconcile --rules rules.yaml --registry lab 3',
    );
    expect(await type('autosign cert issue --rules=rul→ rel→')).toBe('cert issue --rules=rules.yaml release 4');
    expect(await type('autosign reconcile --rules rules.yaml --registry=p→')).toBe(
      'reconcile --rules rules.yaml --registry=prod 5',
    );
    expect(await type('autosign nothing-like-it→')).toBe('nothing-like-it 6');
  });

  test('does not run what is typed', async (context) => {
    const { type, directory } = await openShell(shell, context);
    // The line is taken back (Ctrl-U) before it would run.
    const typed = shell === 'fish' ? '(touch owned)' : '$(touch owned)';
    expect(await type(`autosign status ${typed}→ '; touch owned' →\u0015autosign`)).toBe('1');
    expect(existsSync(join(directory, 'owned'))).toBe(false);
  });
});

describe.concurrent('autosign completion', () => {
  test.for([
    [[], /missing required argument 'shell'/],
    [['tcsh'], /Allowed choices are bash, zsh, fish/],
  ] as const)('refuses %j', async ([args, message]) => {
    const { code, stderr } = await runCommand(['completion', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  test('answers words that look like options of its own, and never fails', async () => {
    expect(await runCommand(['complete', '--', 'status', '--he'])).toMatchObject({
      code: 0,
      stdout: '--help\tdisplay help for command',
    });
    expect(await runCommand(['complete', '--', '--help', '--version', ''])).toMatchObject({ code: 0, stderr: '' });
  });
});
