import { isDeepStrictEqual } from 'node:util';
import { fileKey, type LoadedConfig } from './load.ts';
import { configKeys, type Config } from './schema.ts';

/** Keys that take effect when the configuration is read again; the others need a restart. */
const liveKeys: ReadonlySet<string> = new Set([
  'drain-seconds',
  'after-loss',
  'compression',
  'nbd.allow',
  'nbd.max-connections',
  'nbd.handshake-seconds',
  'nbd.tls',
  'nbd.certificates',
  'nbd.psk',
  'nfs.allow',
  'nfs.exports',
  'nfs.access-log',
  'nfs.manage-gids',
  'nfs.max-connections',
  'admin.allow',
  'admin.open-metrics',
  'scrub.every-days',
  'scrub.rate',
  'pool.capacity',
  'pool.warn-at',
  'log.level',
]);

export type Reloaded = { readonly applied: string[]; readonly needRestart: string[] };

function valueAt(config: Config, path: readonly string[]): unknown {
  let at: unknown = config;
  for (const name of path) at = (at as { readonly [name: string]: unknown })[name];
  return at;
}

/** The configuration that holds now. Whoever uses a live key asks each time. */
export class LiveConfig {
  #loaded: LoadedConfig;
  readonly #reload: () => LoadedConfig;

  constructor(loaded: LoadedConfig, reload: () => LoadedConfig) {
    this.#loaded = loaded;
    this.#reload = reload;
  }

  get current(): Config {
    return this.#loaded.config;
  }

  /** Every key as it stands in the file, with its value. */
  list(): Record<string, unknown> {
    return Object.fromEntries(configKeys.map(({ path }) => [fileKey(path), valueAt(this.current, path) ?? null]));
  }

  /** Reads it again; `prepare` may refuse it by throwing. Where it has faults what holds stays. */
  reload(prepare: (config: Config) => void): Reloaded {
    const loaded = this.#reload();
    prepare(loaded.config);
    const changed = configKeys.filter(
      ({ path }) => !isDeepStrictEqual(valueAt(loaded.config, path), valueAt(this.current, path)),
    );
    const keys = changed.map(({ path }) => fileKey(path));
    this.#loaded = loaded;
    return { applied: keys.filter((key) => liveKeys.has(key)), needRestart: keys.filter((key) => !liveKeys.has(key)) };
  }
}
