import { parseArgs } from 'node:util';
import { ensureRequirements } from '../../infra/requirements/ensure-requirements.ts';
import { goProgram } from '../support/go-build.ts';
import type { Section } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { render, writeResults } from './write-results.ts';

// `npm run bench [-- --only NAME] [--scale 0.1]`: every scenario, one after the other; a whole run at full scale becomes
// results.md, anything less is printed only.

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, scale: { type: 'string', default: '1' } },
});
process.exitCode = await run(values.only ?? [], Number(values.scale));

async function run(only: readonly string[], scale: number): Promise<number> {
  const names = scenarios.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined || !(scale > 0 && scale <= 1)) {
    console.error(`usage: npm run bench [-- --only NAME …] [--scale 0.001 to 1]; NAME is one of ${names.join(', ')}`);
    return 2;
  }
  const log = (line: string) => console.log(line);
  await ensureRequirements({ needed: ['redis-server', 'docker-registry'], install: true, log });
  const registryProgram = await goProgram('registry');
  if (registryProgram === undefined) {
    console.error('Go 1.26 or newer is needed: the registry with the referrers API and cosign are built with it');
    return 1;
  }
  const startedAt = new Date();
  const sections: Section[] = [];
  for (const scenario of scenarios) {
    if (only.length > 0 && !only.includes(scenario.name)) continue;
    log(`${new Date().toISOString()} ${scenario.name}`);
    sections.push(await scenario.run({ scale, registryProgram, log: (line) => log(`  ${line}`) }));
  }
  const text = await render(sections, startedAt);
  log(text);
  if (only.length === 0 && scale === 1) await writeResults(text);
  else log('A part of the whole: results.md stays as it is.');
  return 0;
}
