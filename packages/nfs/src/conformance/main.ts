import { parseArgs } from 'node:util';
import { AshlarError } from '@ashlar/core';
import type { Check, Level } from './check.ts';
import { checks } from './checks.ts';
import { Failed, UsageError } from './outcome.ts';
import { describeServer, formatCheck, formatResult, formatSummary, hasFailed, levels, toJson } from './report.ts';
import { runChecks } from './runner.ts';
import { findTarget } from './target.ts';

const usage = `usage: nfs3-conformance HOST[:PATH] [options]

Checks an NFS version 3 server against RFC 1813 (and RFC 5531, 1833). It WRITES to the export: in a directory of its own,
nfs3-conformance-…, which it removes. PATH is what is mounted (default /). Root, or the user 1001, must be let in to make a
directory there; more is found out where root is root.

  --port N             of NFS; the port mapper is asked where it is not said
  --mountport N        of MOUNT; as --port where only that is said
  --filter NAME        run only checks whose id contains NAME; repeatable
  --list               print the checks and where it is said, and run nothing
  --level LEVEL        the lowest level (must, should, may) whose failure counts for the exit status; should
  --timeout MS         how long the server may take for one answer; 10000
  --json               print one JSON document

The exit status is 0 when nothing that counts failed, 1 when something did or the server cannot be checked, and 2 for
a mistake on the command line.`;

const options = {
  port: { type: 'string' },
  mountport: { type: 'string' },
  filter: { type: 'string', multiple: true, default: [] as string[] },
  list: { type: 'boolean', default: false },
  level: { type: 'string', default: 'should' },
  timeout: { type: 'string', default: '10000' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

function parseCommandLine() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseLevel(text: string): Level {
  const level = levels.find((known) => known === text.toUpperCase());
  if (level === undefined) throw new UsageError(`--level is must, should or may, not '${text}'`);
  return level;
}

function parseNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number <= most) return number;
  throw new UsageError(`--${name} is a number up to ${most}, not '${text}'`);
}

const choose = (filter: readonly string[]): readonly Check[] =>
  checks.filter(({ id }) => filter.length === 0 || filter.some((part) => id.includes(part)));

async function main(): Promise<number> {
  const { positionals, values } = parseCommandLine();
  const chosen = choose(values.filter);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.list) {
    console.log(chosen.map(formatCheck).join('\n'));
    return 0;
  }
  const [server, ...rest] = positionals;
  if (server === undefined || rest.length > 0) throw new UsageError('give one HOST or HOST:PATH; --help shows how');
  if (chosen.length === 0) throw new UsageError('no check is chosen so; --list shows them');
  const [, host = '', path = '/'] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(server) ?? [];
  const level = parseLevel(values.level);
  const timeoutMs = parseNumber('timeout', values.timeout, 3_600_000) ?? 10_000;
  const target = await findTarget({
    host: host.replaceAll(/[[\]]/g, ''),
    path,
    port: parseNumber('port', values.port, 65_535),
    mountPort: parseNumber('mountport', values.mountport, 65_535),
  });
  const results = await runChecks(chosen, target, {
    timeoutMs,
    ...(values.json
      ? {}
      : {
          onFacts: (facts) => console.log(`${server}: ${describeServer(facts)}\n`),
          onResult: (result) => console.log(formatResult(result)),
        }),
  });
  console.log(values.json ? toJson(server, results) : `\n${formatSummary(results)}`);
  return hasFailed(results, level) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`nfs3-conformance: ${error.message}`);
    process.exitCode = 2;
  } else if (error instanceof Failed || error instanceof AshlarError) {
    console.error(`nfs3-conformance: cannot check the server: ${error.message}`);
    process.exitCode = 1;
  } else throw error;
}
