import { Option } from 'commander';

/** The rules file of a command that cannot do without. */
export function rulesOption(): Option {
  return new Option('--rules <file>', 'the rules file').env('AUTOSIGN_RULES').makeOptionMandatory();
}

/** For scripts: whatever the command prints is one JSON value then. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON');
}
