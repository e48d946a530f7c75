import { fileURLToPath } from 'node:url';
import type { Figure } from './figure.ts';
import { run } from './process.ts';
import type { Scale } from './scale.ts';

const command = fileURLToPath(new URL('../test/simulator/main.ts', import.meta.url));

/** How many random histories with crashes the store's code runs through in a minute, in one process. */
export async function measureSimulator({ quick }: Scale): Promise<Figure> {
  const count = quick ? 20 : 400;
  const fromMs = performance.now();
  await run(process.execPath, [command, '--seed', '1', '--workers', '1', '--count', String(count)]);
  const minutes = (performance.now() - fromMs) / 60_000;
  return { name: 'simulator histories on one core', value: count / minutes, unit: 'a minute', floor: 200, aim: 2000 };
}
