/**
 * An ordered map of bytes with atomic durable commits and snapshots for reading: LMDB in production, a simulated one
 * that can crash in tests. One writer at a time.
 */
export interface RecordStore {
  get(key: Uint8Array): Uint8Array | undefined;
  /** Calls `visit` for keys `from` ≤ key < `to` in byte order until it returns false. Nobody changes the bytes afterwards. */
  scan(from: Uint8Array, to: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
  /** Applies all changes atomically and durably (value `null` deletes). Rejects with `no-space`, `io`. */
  commit(changes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[]): Promise<void>;
  /** Writes what was committed last into an empty directory, to be looked at there. Only where a library keeps the records that damage may crash. */
  copyTo?(directory: string): Promise<void>;
  close(): Promise<void>;
}
