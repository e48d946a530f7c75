/**
 * A connected byte stream as a protocol session sees it: non-blocking, pulled by the session straight into the place
 * where the bytes belong, replies coalesced. Plain (epoll and FFI), TLS and in-memory streams implement it.
 *
 * One session owns a stream. Nothing here allocates a buffer for each call.
 */
export interface Stream {
  /**
   * Receives at most `length` bytes into `into` at `offset`. Returns the count, 0 when nothing is there now (then
   * `onReadable` will be called), -1 at the orderly end. Throws AshlarError `closed` or `io` when the connection broke.
   */
  receive(into: Uint8Array, offset: number, length: number): number;
  /**
   * Queues bytes to be sent. The stream *copies* what is under `copyLimit` bytes at once; a larger buffer is sent from where it is and
   * belongs to the stream until `released` is called (always called, once, also when the connection broke). Never blocks.
   */
  send(bytes: Uint8Array, released?: () => void): void;
  /** Sends what is queued now, in as few system calls as may be; the loop calls it at the end of a round as well. */
  flush(): void;
  /** Bytes queued and not yet taken by the peer: a session stops reading requests while this is above its limit. */
  readonly queuedBytes: number;
  /** Called when `receive` may give something again. Set once by the session before it starts. */
  onReadable: () => void;
  /** Called when `queuedBytes` fell to or under half of `drainBytes`. */
  onDrain: () => void;
  /** Called once when the connection is gone, whoever ended it. */
  onClose: (error?: Error) => void;
  /** While paused `onReadable` is not called (back-pressure to the peer). */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then ends the connection. */
  end(): void;
  /** Ends the connection now. */
  destroy(): void;
  /** For logs and access rules. */
  readonly peer: StreamPeer;
}

export type StreamPeer = {
  /** `unix`, or the IP address. */
  readonly address: string;
  readonly port: number;
  /** Subject of a verified TLS client certificate or PSK user name. */
  readonly identity?: string;
  /** The address of this machine that it came to, where that is known. */
  readonly local?: string;
};
