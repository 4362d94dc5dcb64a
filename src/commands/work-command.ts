import { Command } from 'commander';

const help = `
Settings: AUTOSIGN_RULES and AUTOSIGN_REDIS_URL must be set; .env.example lists all. The identity that assumes the
roles of KMS keys comes from Alibaba Cloud's usual sources (ALIBABA_CLOUD_ACCESS_KEY_ID …, RRSA, ECS RAM role).
A key or registry that is not usable waits with its jobs; /readyz on the admin port says why.
/metrics there is for Prometheus. With AUTOSIGN_OPS_USERS_FILE operators find their page at /ops there.

Examples:
  $ AUTOSIGN_RULES=rules/example.yaml AUTOSIGN_REDIS_URL=redis://127.0.0.1:6379 autosign work
  $ curl -s http://127.0.0.1:9090/readyz

Exit codes:
  0 stopped by SIGTERM or SIGINT  1 failed, or stopped without finishing  2 settings or rules`;

/** `autosign work` */
export function workCommand(): Command {
  return new Command('work')
    .description('sign what is queued')
    .addHelpText('after', help)
    .action(async () => (await import('./work.ts')).runWork());
}
