import { Command } from 'commander';

const help = `
For trying out: one process, nothing to set up but a rules file. Without AUTOSIGN_REDIS_URL it starts a Redis of its
own (redis-server must be installed) that keeps its data below AUTOSIGN_STATE_DIR. For production start "serve" and
"work" apart: then the process that faces the network holds no credential.

Examples:
  $ AUTOSIGN_RULES=rules.yaml autosign up

Exit codes:
  0 stopped by SIGTERM or SIGINT  1 failed, or stopped without finishing  2 settings or rules`;

/** `autosign up` */
export function upCommand(): Command {
  return new Command('up')
    .description('serve and work in one process, for trying out')
    .addHelpText('after', help)
    .action(async () => (await import('./up.ts')).runUp());
}
