import { parseArgs } from 'node:util';
import type { Check, Level } from './check.ts';
import { checks } from './checks.ts';
import { Failed } from './outcome.ts';
import { ExportRefused } from './probe.ts';
import { describeServer, formatCheck, formatResult, formatSummary, hasFailed, levels, toJson } from './report.ts';
import { look, runChecks } from './runner.ts';
import { parseTarget, UsageError } from './target.ts';

const usage = `usage: nbd-conformance URI [options]

Checks an NBD server against the protocol document. It WRITES to the export, all over it: give it a scratch export of
64 MiB or more, or --read-only. URI is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH; nbds for TLS.

  --read-only          run only what writes nothing
  --filter NAME        run only checks whose id contains NAME; repeatable
  --after ID           run only the checks after that one: to go on where the server died
  --list               print the checks and where the document says so, and run nothing
  --level LEVEL        the lowest level (must, should, may) whose failure counts for the exit status; should
  --timeout MS         how long the server may be silent while it is waited for; 10000
  --json               print one JSON document
  --tls-ca FILE        upgrade to TLS; the certificate must be signed by an authority in FILE (PEM)
  --tls-cert FILE      show this certificate, with --tls-key FILE
  --tls-psk FILE       upgrade to TLS with a pre-shared key (lines IDENTITY:HEX), --tls-identity NAME to choose
  --tls-insecure       take any certificate

The exit status is 0 when nothing that counts failed, 1 when something did or the server cannot be checked, and 2 for
a mistake on the command line.`;

const options = {
  'read-only': { type: 'boolean', default: false },
  filter: { type: 'string', multiple: true, default: [] as string[] },
  after: { type: 'string' },
  list: { type: 'boolean', default: false },
  level: { type: 'string', default: 'should' },
  timeout: { type: 'string', default: '10000' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  'tls-ca': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-psk': { type: 'string' },
  'tls-identity': { type: 'string' },
  'tls-insecure': { type: 'boolean', default: false },
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

function parseTimeout(text: string): number {
  const timeoutMs = Number(text);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1) {
    throw new UsageError(`--timeout is a number of milliseconds, not '${text}'`);
  }
  return timeoutMs;
}

function choose(filter: readonly string[], after: string | undefined): readonly Check[] {
  const last = after === undefined ? -1 : checks.findIndex(({ id }) => id === after);
  if (after !== undefined && last < 0) throw new UsageError(`no check is named '${after}'; --list shows them`);
  return checks.slice(last + 1).filter(({ id }) => filter.length === 0 || filter.some((part) => id.includes(part)));
}

async function main(): Promise<number> {
  const { values, positionals } = parseCommandLine();
  const chosen = choose(values.filter, values.after);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.list) {
    console.log(chosen.map(formatCheck).join('\n'));
    return 0;
  }
  const [uri, ...rest] = positionals;
  if (uri === undefined || rest.length > 0) throw new UsageError('give one URI; --help shows how');
  if (chosen.length === 0) throw new UsageError('no check is chosen so; --list shows them');
  const target = parseTarget(uri, {
    authority: values['tls-ca'],
    certificate: values['tls-cert'],
    key: values['tls-key'],
    preSharedKeys: values['tls-psk'],
    identity: values['tls-identity'],
    insecure: values['tls-insecure'],
  });
  const level = parseLevel(values.level);
  const timeoutMs = parseTimeout(values.timeout);
  const facts = await look(target, timeoutMs);
  if (!values.json) console.log(`${uri}: ${describeServer(facts)}\n`);
  const results = await runChecks(chosen, facts, target, {
    readOnly: values['read-only'],
    timeoutMs,
    ...(values.json ? {} : { onResult: (result) => console.log(formatResult(result)) }),
  });
  console.log(values.json ? toJson(uri, facts, results) : `\n${formatSummary(results)}`);
  return hasFailed(results, level) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`nbd-conformance: ${error.message}`);
    process.exitCode = 2;
  } else if (error instanceof ExportRefused || error instanceof Failed) {
    console.error(`nbd-conformance: cannot check the server: ${error.message}`);
    process.exitCode = 1;
  } else throw error;
}
