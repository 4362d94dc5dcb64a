import { Command } from 'commander';

/**
 * `autosign complete -- WORDS…`: what the completion scripts ask, with the words after "autosign" up to the cursor.
 * @param loadProgram the command line with all of its commands
 */
export function completeCommand(loadProgram: () => Promise<Command>): Command {
  return new Command('complete')
    .description('answer a completion script')
    .argument('[words...]', 'the words up to the cursor; the last one may be empty')
    .action(async (words: readonly string[]) => {
      const { completeWords, textOfCompletion } = await import('./complete-words.ts');
      const completion = await completeWords(await loadProgram(), words, process.env);
      process.stdout.write(textOfCompletion(completion));
    });
}
