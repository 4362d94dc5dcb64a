import { Command } from 'commander';

const help = `
Settings: AUTOSIGN_RULES and AUTOSIGN_REDIS_URL must be set; .env.example lists all. It needs no credential of the
cloud or of a registry. It starts without Redis and answers 503 until Redis is there; /readyz tells.

Examples:
  $ AUTOSIGN_RULES=rules/example.yaml AUTOSIGN_REDIS_URL=redis://127.0.0.1:6379 autosign serve
  $ curl -s http://127.0.0.1:8080/readyz

Exit codes:
  0 stopped by SIGTERM or SIGINT  1 failed, or stopped without finishing  2 settings or rules`;

/** `autosign serve` */
export function serveCommand(): Command {
  return new Command('serve')
    .description('receive push events and queue them')
    .addHelpText('after', help)
    .action(async () => (await import('./serve.ts')).runServe());
}
