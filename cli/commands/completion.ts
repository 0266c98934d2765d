import { Argument, type Command } from "commander";
import type { CommandLine } from "../answer";

export function registerCompletion(program: Command, line: CommandLine): void {
  program
    .command("completion")
    .description("print what completes these commands in a shell: eval it in the shell's start-up file")
    .addArgument(new Argument("<shell>").choices(Object.keys(SHELLS)))
    .action(
      line.answering(async (_ports, shell: keyof typeof SHELLS) => {
        const script = [candidates(program), SHELLS[shell]].join("\n");
        return { text: script, json: { shell, script } };
      }),
    );
}

/** A function that both shells know: what may follow the first two words, or an option that takes one of a few values. */
const candidates = (program: Command) => `_valmi_agent_keys_candidates() {
  case "$3" in
${choicesOf(program)
  .map(({ option, values }) => `    ${option}) echo ${values.join(" ")}; return ;;`)
  .join("\n")}
  esac
  case "$1 $2" in
${placesOf(program)
  .map(({ pattern, words }) => `    ${pattern}) echo ${words.join(" ")} ;;`)
  .join("\n")}
  esac
}`;

/** What follows `--` is another program's. */
const SHELLS = {
  bash: `_valmi_agent_keys() {
  local first="" second="" word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [ "$word" = -- ] && return; done
  [ "$COMP_CWORD" -gt 1 ] && first="\${COMP_WORDS[1]}"
  [ "$COMP_CWORD" -gt 2 ] && second="\${COMP_WORDS[2]}"
  COMPREPLY=($(compgen -W "$(_valmi_agent_keys_candidates "$first" "$second" "\${COMP_WORDS[COMP_CWORD - 1]}")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _valmi_agent_keys valmi-agent-keys`,
  zsh: `_valmi_agent_keys() {
  local first="" second=""
  local -a found
  if (( \${words[(I)--]} > 0 && \${words[(I)--]} < CURRENT )); then _default; return; fi
  (( CURRENT > 2 )) && first="$words[2]"
  (( CURRENT > 3 )) && second="$words[3]"
  found=(\${=$(_valmi_agent_keys_candidates "$first" "$second" "$words[CURRENT-1]")})
  if (( $#found )); then compadd -a found; else _default; fi
}
compdef _valmi_agent_keys valmi-agent-keys`,
};

/** Each place in the line, as a pattern of its first two words, and the words that may come there. */
function placesOf(program: Command): { readonly pattern: string; readonly words: readonly string[] }[] {
  const names = (of: Command) => of.commands.map((each) => each.name());
  const options = (of: Command) => [...of.options.map(({ long }) => String(long)), "--help"];
  return [
    { pattern: '" "', words: [...names(program), ...options(program)] },
    ...program.commands.flatMap((command) =>
      command.commands.length === 0
        ? [{ pattern: `"${command.name()} "*`, words: [...argumentsOf(command), ...options(command)] }]
        : [
            { pattern: `"${command.name()} "`, words: [...names(command), "--help"] },
            ...command.commands.map((each) => ({
              pattern: `"${command.name()} ${each.name()}"`,
              words: options(each),
            })),
          ],
    ),
  ];
}

const argumentsOf = (command: Command) =>
  command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);

function choicesOf(program: Command): { readonly option: string; readonly values: readonly string[] }[] {
  const all = program.commands.flatMap((command) => [command, ...command.commands]);
  const found = new Map(
    all.flatMap(({ options }) =>
      options.flatMap(({ long, argChoices }) => (argChoices ? [[String(long), argChoices] as const] : [])),
    ),
  );
  return [...found].map(([option, values]) => ({ option, values }));
}
