import { Argument, Command } from 'commander';
import type { Shell } from './completion-scripts.ts';

const help = `
Completes commands, options, files, and the names of registries, keys and rules, which it reads from the file that
--rules or AUTOSIGN_RULES names. What is typed is passed on as it is and never evaluated. "autosign" must be on PATH.

Examples:
  $ source <(autosign completion bash)                       (in ~/.bashrc)
  $ source <(autosign completion zsh)                        (in ~/.zshrc, after compinit)
  $ autosign completion fish > ~/.config/fish/completions/autosign.fish

Exit codes:
  0 ok  2 usage`;

/** `autosign completion` */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print what makes a shell complete the commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish'] satisfies Shell[]))
    .addHelpText('after', help)
    .action(async (shell: Shell) => {
      const { scriptFor } = await import('./completion-scripts.ts');
      process.stdout.write(scriptFor(shell));
    });
}
