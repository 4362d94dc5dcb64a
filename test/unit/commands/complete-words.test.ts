import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { completeWords, textOfCompletion } from '../../../src/commands/complete-words.ts';
import { buildProgram } from '../../../src/commands/program.ts';

const program = await buildProgram(() => true);
const directory = mkdtempSync(join(tmpdir(), 'autosign-completion-'));
const rulesFile = join(directory, 'rules.yaml');
writeFileSync(
  rulesFile,
  `registries: [{ name: lab }, { name: prod }, { name: "\\e[31m" }, { host: nameless }, 7]
keys: [{ name: release }, { name: dev }]
rules: broken
`,
);
afterAll(() => rmSync(directory, { recursive: true }));

/** What may stand at the end of the line; an empty word after a blank. */
async function complete(line: string, environment: NodeJS.ProcessEnv = {}) {
  const completion = await completeWords(program, line.split(' '), environment);
  return typeof completion === 'string' ? completion : completion.map(({ value }) => value);
}

const commands = [
  'serve',
  'work',
  'up',
  'status',
  'verify',
  'doctor',
  'rules',
  'dead',
  'reconcile',
  'backfill',
  'cert',
  'ram',
  'triggers',
  'attestors',
  'ops',
  'token',
];

test.for<[string, readonly string[] | string]>([
  ['', [...commands, 'completion', 'help']],
  ['s', ['serve', 'status']],
  ['nope', []],
  ['rules ', ['check', 'explain', 'schema', 'help']],
  ['rules e', ['explain']],
  ['rules explain --js', ['--json']],
  ['dead r', ['retry']],
  ['dead list --', ['--registry', '--code', '--limit', '--json', '--help']],
  ['dead list --json --', ['--registry', '--code', '--limit', '--help']],
  ['dead list --code registry-d', ['registry-denied']],
  ['dead list --code=registry-d', ['--code=registry-denied']],
  ['dead list --limit ', []],
  ['dead list --json=', []],
  ['dead list --nope=', []],
  // Nothing else may stand there.
  ['dead list ', ['--registry', '--code', '--limit', '--json', '--help']],
  ['dead list -- -', []],
  ['rules check ', 'files'],
  ['cert issue release --out ', 'folders'],
  ['ram print --role ', ['receiver', 'worker', 'triggers', 'read-only']],
  ['triggers ', ['sync', 'help']],
  ['triggers sync --', ['--rules', '--registry', '--dry-run', '--remove', '--json', '--help']],
  [`triggers sync --rules ${rulesFile} --registry `, ['lab', 'prod']],
  ['attestors import --out ', 'files'],
  ['attestors import --region ', ['cn-shanghai', 'ap-southeast-1']],
  ['rules check rules.yaml ', ['--json', '--help']],
  ['verify --rules ', 'files'],
  ['verify --rules=ru', 'files'],
  ['cert issue --out ', 'folders'],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['completion f', ['fish']],
  ['help d', ['doctor', 'dead']],
  ['help dead ', ['list', 'retry', 'help']],
  ['--v', ['--version']],
  // Without a rules file, or with one that cannot be read, there are no names.
  ['reconcile --registry ', []],
  [`reconcile --rules ${directory}/nowhere.yaml --registry `, []],
  [`reconcile --rules ${directory} --registry `, []],
  [`reconcile --rules ${rulesFile} --registry `, ['lab', 'prod']],
  [`reconcile --rules=${rulesFile} --registry=p`, ['--registry=prod']],
  [`cert issue --rules ${rulesFile} `, ['release', 'dev']],
  [`cert issue --rules ${rulesFile} r`, ['release']],
  // Neither a second operand nor an option that stands there already.
  [`dead list --code x --registry y --limit 1 `, ['--json', '--help']],
  [`token new lab `, ['--json', '--help']],
])('"%s"', async ([line, expected]) => {
  expect(await complete(line)).toEqual(expected);
});

test('takes the rules file that AUTOSIGN_RULES names, unless --rules names another', async () => {
  const environment = { AUTOSIGN_RULES: rulesFile };
  expect(await complete('token new ', environment)).toEqual(['lab', 'prod']);
  expect(await complete('dead list --registry ', environment)).toEqual(['lab', 'prod']);
  expect(await complete('reconcile --rules nowhere.yaml --registry ', environment)).toEqual([]);
  expect(await complete('reconcile --registry ', { AUTOSIGN_RULES: '' })).toEqual([]);
});

test('answers a candidate a line, with its description behind a tab, or what the shell is to look for', async () => {
  expect(textOfCompletion(await completeWords(program, ['dead', 'l'], {}))).toBe(
    'list\tlist the dead letters: image, cause, and what to do\n',
  );
  expect(textOfCompletion('files')).toBe(':files\n');
  expect(textOfCompletion([])).toBe('');
});
