import { AshlarError, parseSize } from '@ashlar/core';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ServerChoice } from './client.ts';

export type ServerOptions = ServerChoice & { readonly json?: boolean };

/** The options of every command that talks to a running server. */
export function withServer(command: Command): Command {
  return command
    .addOption(new Option('--admin <URL>', 'admin API or socket of the server (ASHLAR_ADMIN)'))
    .addOption(new Option('--data <DIR>', 'data directory of the server (ASHLAR_DATA; default ./ashlar-data)'))
    .addOption(new Option('--token <TOKEN>', 'token of the admin API (ASHLAR_TOKEN; default from the data directory)'))
    .option('--json', 'print JSON');
}

/** Turns what a parser throws into the usage error that commander prints. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof AshlarError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

export const sizeArgument = argument(parseSize);

/** Bytes a second, Infinity for no bound. */
export const rateArgument = argument((text) => {
  if (text.trim() === 'off') return Infinity;
  const rate = parseSize(text);
  if (rate > 0) return rate;
  throw new AshlarError('invalid', "a rate is above 0, such as 100M, or 'off'");
});

export const numberArgument = (minimum: number, maximum: number): ((text: string) => number) =>
  argument((text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= minimum && value <= maximum) return value;
    throw new AshlarError('invalid', `a number from ${minimum} to ${maximum} is needed`);
  });

const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A time such as 15m or 1d, as seconds. */
export const durationArgument = argument((text) => {
  const [, count, unit] = /^(\d+)([smhdw])$/.exec(text.trim()) ?? [];
  const seconds = Number(count) * (secondsIn[unit ?? ''] ?? 0);
  if (seconds > 0) return seconds;
  throw new AshlarError('invalid', 'a time is a number with s, m, h, d or w behind it, such as 15m');
});

/** Collects an option that may be given several times. */
export const collect =
  <T>(parse: (text: string) => T) =>
  (text: string, before: readonly T[] = []): T[] => [...before, parse(text)];

/** An action of a command whose code is loaded when it runs: no command pays for what another one needs. */
export const later =
  <M, A extends unknown[]>(load: () => Promise<M>, pick: (module: M) => (...given: A) => void | Promise<void>) =>
  async (...given: A): Promise<void> =>
    pick(await load())(...given);
