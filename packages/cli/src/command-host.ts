// Runs one command after the other for tests, in a process that has loaded them once.
import type { Ended, Variables } from './command.ts';
import { invoke } from './invoke.ts';

export type Request = {
  readonly words: readonly string[];
  readonly cwd: string;
  /** Set in the environment while the command runs; what has no value is not set. */
  readonly variables: Variables;
};

/** Keeps what is written to a stream until `end` is called, which gives it. */
function capture(stream: NodeJS.WriteStream): { end(): string } {
  const parts: Buffer[] = [];
  const { write } = stream;
  stream.write = (part: string | Uint8Array): boolean => parts.push(Buffer.from(part)) > 0;
  return {
    end() {
      stream.write = write;
      return Buffer.concat(parts).toString();
    },
  };
}

function setVariables(variables: Variables): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

async function answer({ words, cwd, variables }: Request): Promise<Ended> {
  process.chdir(cwd);
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]));
  setVariables(variables);
  const out = capture(process.stdout);
  const errors = capture(process.stderr);
  try {
    const status = await invoke(words);
    return { status, out: out.end(), errors: errors.end() };
  } finally {
    setVariables(before);
  }
}

process.on('message', (request: Request) => {
  void answer(request).then((response) => process.send!(response));
});
