/** Of what clients say that they mounted: it is told to whoever asks, and nothing rests on it. */
const mostMounts = 10_000;

/** Who mounted what, as MOUNT's DUMP tells it. */
export class Mounts {
  readonly #mounts = new Set<string>();

  add(client: string, path: string): void {
    const key = JSON.stringify([client, path]);
    this.#mounts.delete(key);
    this.#mounts.add(key);
    const [oldest] = this.#mounts;
    if (this.#mounts.size > mostMounts && oldest !== undefined) this.#mounts.delete(oldest);
  }

  remove(client: string, path: string): void {
    this.#mounts.delete(JSON.stringify([client, path]));
  }

  removeAll(client: string): void {
    for (const each of this.all()) if (each.client === client) this.remove(each.client, each.path);
  }

  all(): readonly { readonly client: string; readonly path: string }[] {
    return [...this.#mounts].map((key) => {
      const [client, path] = JSON.parse(key) as [string, string];
      return { client, path };
    });
  }
}
