import { ask } from './admin.ts';

/** Metrics without labels by name, of a server by its data directory. */
export async function metricsOf(directory: string): Promise<ReadonlyMap<string, number>> {
  const text = await ask(directory, 'GET', '/metrics');
  return new Map([...text.matchAll(/^(\w+) (\S+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
}
