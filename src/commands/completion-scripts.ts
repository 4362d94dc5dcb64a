export type Shell = 'bash' | 'zsh' | 'fish';

/**
 * The script that a shell is given once. Each of them asks `autosign complete -- WORDS…` and prints what it answers: a
 * candidate a line, with a description behind a tab; or `:files` or `:folders`, which the shell completes by itself.
 */
export function scriptFor(shell: Shell): string {
  return scripts[shell];
}

// Bash breaks words at : and = too, so they are read from the line, and what stands before the last break is taken off
// the answers again. The words are arguments, never text for eval: a $(…) that is being typed must not run.
const bash = `# bash completion of autosign
_autosign() {
  local -a words
  local line="\${COMP_LINE:0:COMP_POINT}" value piece prefix
  COMPREPLY=()
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  piece="\${COMP_WORDS[COMP_CWORD]}"
  [[ $piece == [=:] ]] && piece=''
  prefix="\${words[-1]%"$piece"}"
  while IFS=$'\\t' read -r value _; do
    case $value in
      :files) compopt -o default ;;
      :folders) compopt -o dirnames ;;
      *) COMPREPLY+=("\${value#"$prefix"}") ;;
    esac
  done < <("$1" complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _autosign autosign
`;

const zsh = `#compdef autosign
_autosign() {
  local -a candidates
  local line
  for line in "\${(@f)$("\${words[1]}" complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) compset -P '--*='; _files; return ;;
      :folders) compset -P '--*='; _files -/; return ;;
      *) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  _describe autosign candidates
}
if [[ \${funcstack[1]} == _autosign ]]; then _autosign "$@"; else compdef _autosign autosign; fi
`;

const fish = `# fish completion of autosign
function __autosign_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l prefix (string match -r '^--[^=]*=' -- "$current")
    set -l typed (string replace -r '^--[^=]*=' '' -- "$current")
    for line in (autosign complete -- $before[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                string replace -r '^' -- "$prefix" (__fish_complete_path "$typed")
            case ':folders'
                string replace -r '^' -- "$prefix" (__fish_complete_directories "$typed")
            case '*'
                echo $line
        end
    end
end
complete -c autosign -f -a '(__autosign_complete)'
`;

const scripts: Record<Shell, string> = { bash, zsh, fish };
