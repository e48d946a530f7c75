import type { Figure } from './figure.ts';
import { fio, type Load, type Throughput } from './fio.ts';
import type { Running } from './peers.ts';
import { settled } from './settled.ts';
import { untilIdle } from './process-usage.ts';
import type { Scale } from './scale.ts';
import { medianRatio } from './statistics.ts';

/** What is measured of servers in turns. */
export type Target = { readonly title: string; readonly load: Load; readonly floor: number; readonly aim: number };

/** What each side did, turn by turn. */
export type Turns<Side extends string> = Readonly<Record<Side, Throughput[]>>;

/** A load on a server, while the host has nothing to write of the turn before. */
export async function turn({ directory, pid, uri }: Running, load: Load, { seconds }: Scale): Promise<Throughput> {
  await settled(directory);
  const done = await fio(uri, load, { seconds });
  await untilIdle(pid);
  return done;
}

/** Rounds of a load on servers that run side by side. */
export async function inTurns<Side extends string>(
  running: Readonly<Record<Side, Running>>,
  load: Load,
  scale: Scale,
): Promise<Turns<Side>> {
  const sides = Object.keys(running) as Side[];
  const turns = Object.fromEntries(sides.map((side) => [side, []])) as unknown as Turns<Side>;
  for (let round = 0; round < scale.pairs; round += 1) {
    for (const side of sides) turns[side].push(await turn(running[side], load, scale));
  }
  return turns;
}

const rates = (turns: readonly Throughput[]): number[] => turns.map((each) => each.operationsPerSecond);

/** `name`: what it is of, and to whom. */
export const turnsFigure = (
  name: string,
  { floor, aim }: Pick<Target, 'floor' | 'aim'>,
  ours: readonly Throughput[],
  theirs: readonly Throughput[],
): Figure => ({ name, value: medianRatio(rates(ours), rates(theirs)), unit: 'x', floor, aim });
