import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';
import { isLoopback } from '@ashlar/volume';
import { parse, TomlError } from 'smol-toml';
import type * as z from 'zod';
import { nearest, toCodeName, toFileName, toVariable } from './names.ts';
import { configKeys, configSchema, type Config, type ConfigKey } from './schema.ts';

type Tree = { [name: string]: unknown };

type ConfigInput = {
  /** The file; without it ASHLAR_CONFIG, else `ashlar.toml` here if it is there. */
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From the command line: above everything else, by path (`nbd.port`). */
  readonly overrides?: Readonly<Record<string, unknown>>;
};

export type LoadedConfig = {
  readonly config: Config;
  /** The file that was read. */
  readonly file: string | undefined;
  /** Where each value came from, by key as it stands in the file (`nbd.max-connections`). */
  readonly origins: ReadonlyMap<string, 'default' | 'file' | 'environment' | 'command line'>;
};

/**
 * Reads the configuration: defaults, below the file, below the environment, below the command line. Throws `invalid`
 * with every fault found, a sentence each.
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const file = chooseFile(input);
  const origins = new Map<string, 'default' | 'file' | 'environment' | 'command line'>();
  for (const { path } of configKeys) origins.set(fileKey(path), 'default');
  const tree = file === undefined ? {} : readTree(file);
  for (const { path } of configKeys) if (lookUp(tree, path) !== undefined) origins.set(fileKey(path), 'file');
  for (const [key, value] of readEnvironment(input.environment)) {
    put(tree, key.path, value);
    origins.set(fileKey(key.path), 'environment');
  }
  for (const [dotted, value] of Object.entries(input.overrides ?? {})) {
    if (value === undefined) continue;
    const path = dotted.split('.');
    put(tree, path, value);
    origins.set(fileKey(path), 'command line');
  }
  const parsed = configSchema.safeParse(tree);
  if (!parsed.success)
    throw faults(
      file,
      parsed.error.issues.flatMap((issue) => tell(issue, origins)),
    );
  checkAccess(parsed.data);
  return { config: parsed.data, file, origins };
}

/** A key as it stands in the file: `nbd.max-connections`. */
export function fileKey(path: readonly string[]): string {
  return path.map(toFileName).join('.');
}

function chooseFile({ file, environment }: ConfigInput): string | undefined {
  const named = file ?? environment['ASHLAR_CONFIG'];
  if (named !== undefined && named !== '') return named;
  return existsSync('ashlar.toml') ? 'ashlar.toml' : undefined;
}

function readTree(file: string): Tree {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there' : (error as Error).message;
    throw new AshlarError(
      'not-found',
      `the configuration file ${file} cannot be read: ${reason}`,
      { path: file },
      error,
    );
  }
  try {
    const tree = toCode(parse(text)) as Tree;
    resolvePaths(tree, dirname(resolve(file)));
    return tree;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '');
    throw new AshlarError('invalid', `${file}:${error.line}:${error.column}: ${what}`, { path: file }, error);
  }
}

function toCode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [toCodeName(name), toCode(item)]));
}

/** Paths in the file are meant from where the file is. (The socket's is inside the data directory.) */
function resolvePaths(tree: Tree, directory: string): void {
  for (const path of [['data'], ['nbd', 'certificates'], ['nbd', 'psk'], ['nfs', 'exports']]) {
    const value = lookUp(tree, path);
    if (typeof value === 'string') put(tree, path, resolve(directory, value));
  }
}

function lookUp(tree: Tree, path: readonly string[]): unknown {
  let at: unknown = tree;
  for (const name of path) at = typeof at === 'object' && at !== null ? (at as Tree)[name] : undefined;
  return at;
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    tree[name] = value;
    return;
  }
  const inner = tree[name];
  if (typeof inner === 'object' && inner !== null) put(inner as Tree, rest, value);
  else {
    const made: Tree = {};
    tree[name] = made;
    put(made, rest, value);
  }
}

/** Variables that belong to the `ashlar` command and not to the server. */
const commandVariables = new Set(['ASHLAR_ADMIN', 'ASHLAR_TOKEN', 'ASHLAR_CONFIG']);

function readEnvironment(environment: ConfigInput['environment']): [ConfigKey, unknown][] {
  const byVariable = new Map(configKeys.map((key) => [toVariable(key.path), key]));
  const tables = new Set(
    configKeys.filter(({ path }) => path.length > 1).map(({ path }) => `${toVariable(path.slice(0, 1))}_`),
  );
  const found: [ConfigKey, unknown][] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || !name.startsWith('ASHLAR_') || commandVariables.has(name)) continue;
    const key = byVariable.get(name);
    if (key !== undefined) found.push([key, readVariable(key, text)]);
    else if ([...tables].some((table) => name.startsWith(table))) {
      throw new AshlarError(
        'invalid',
        `the variable ${name} names no key of the configuration${hint(name, [...byVariable.keys()])}`,
      );
    }
  }
  return found;
}

function readVariable(key: ConfigKey, text: string): unknown {
  if (key.isArray) return text.split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));
  if (text === 'true' || text === 'false') return text === 'true';
  return !key.isText && text.trim() !== '' && !Number.isNaN(Number(text)) ? Number(text) : text;
}

function hint(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? ": 'ashlar config show' lists all" : `: did you mean ${meant}?`;
}

function tell(issue: z.core.$ZodIssue, origins: LoadedConfig['origins']): string[] {
  const path = issue.path.map(String);
  const key = fileKey(path);
  if (issue.code === 'unrecognized_keys') {
    const depth = path.length;
    const known = configKeys
      .filter((candidate) => candidate.path.slice(0, depth).join('.') === path.join('.'))
      .map((candidate) => toFileName(candidate.path[depth] ?? ''));
    const inside = key === '' ? '' : `${key}.`;
    return issue.keys.map((name) => `there is no key '${inside}${toFileName(name)}'${hint(toFileName(name), known)}`);
  }
  if (issue.code === 'invalid_union') return [`'${key}': ${firstReason(issue)}`];
  const from = origins.get(key) === 'environment' ? ` (from ${toVariable(path)})` : '';
  return [`'${key}'${from}: ${issue.message}`];
}

function firstReason(issue: z.core.$ZodIssueInvalidUnion): string {
  const reasons = issue.errors.flatMap((branch) => branch.map(({ message }) => message));
  return reasons.find((reason) => !reason.startsWith('Invalid input')) ?? reasons[0] ?? issue.message;
}

/** Who listens beyond this machine says who may come. Throws `denied`. */
function checkAccess(config: Config): void {
  const open = config.listen.find((address) => !isLoopback(address));
  if (config.nbd.tcp && open !== undefined && config.nbd.allow.length === 0) {
    throw new AshlarError(
      'denied',
      `listening on ${open} needs an access rule: set nbd.allow to the addresses that may connect, such as ["10.0.0.0/8"]`,
    );
  }
  if (!isLoopback(config.admin.listen) && config.admin.allow.length === 0) {
    throw new AshlarError(
      'denied',
      `the admin API on ${config.admin.listen} needs an access rule: set admin.allow to the addresses that may use it`,
    );
  }
  if (config.nbd.tls !== 'off' && config.nbd.certificates === undefined && config.nbd.psk === undefined) {
    throw new AshlarError(
      'invalid',
      `nbd.tls is '${config.nbd.tls}': set nbd.certificates to the directory of the certificates, or nbd.psk to the file of the keys`,
    );
  }
}

function faults(file: string | undefined, sentences: readonly string[]): AshlarError {
  const where = file === undefined ? 'the configuration' : file;
  const [only, ...others] = sentences;
  if (others.length === 0) return new AshlarError('invalid', `${where}: ${only}`);
  return new AshlarError('invalid', `${where} has ${sentences.length} faults:\n  ${sentences.join('\n  ')}`);
}
