import { isZero } from './bytes.ts';
import {
  command,
  handshakeFlag,
  info,
  isErrorReply,
  nameOfOptionReply,
  option,
  optionReply,
  transmissionFlag,
} from './constants.ts';
import type { Facts } from './facts.ts';
import { contextData, infoData, Negotiation, parseContexts, parseExport, parseInfo } from './negotiation.ts';
import type { Context, ExportInfo } from './negotiation.ts';
import { expect, Failed, within } from './outcome.ts';
import { RawConnection } from './raw-client.ts';
import type { Style } from './reply.ts';
import type { Target } from './target.ts';
import { Transmission } from './transmission.ts';

export type OpenOptions = {
  readonly style?: Style;
  /** Metadata contexts to select, each of which the server must have. */
  readonly contexts?: readonly string[];
};

/** How one check reaches the server: connections that are closed when the check is over. */
export class Client {
  readonly target: Target;
  #connections: RawConnection[] = [];
  #isOver = false;

  constructor(target: Target) {
    this.target = target;
  }

  async connect(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.target.address, () => !this.#isOver);
    if (this.#isOver) {
      connection.close();
      throw new Failed('the check is over');
    }
    this.#connections.push(connection);
    return connection;
  }

  /** A connection whose greeting was read and nothing answered. */
  async greet(): Promise<Negotiation> {
    return Negotiation.greet(await this.connect());
  }

  /** The option phase without TLS, whatever the target says. Of `flags` those are sent that the server offers. */
  async negotiatePlain(flags = handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes): Promise<Negotiation> {
    const negotiation = await this.greet();
    await negotiation.sendFlags(negotiation.handshakeFlags & flags);
    return negotiation;
  }

  /** The option phase, inside TLS where the target has it. */
  async negotiate(flags?: number): Promise<Negotiation> {
    const negotiation = await this.negotiatePlain(flags);
    if (this.target.tls === undefined) return negotiation;
    await negotiation.acknowledged(option.startTls);
    await negotiation.connection.startTls(this.target.tls);
    return negotiation;
  }

  /** Data of INFO or GO for the target's export. */
  infoData(requests: readonly number[]): Buffer {
    return infoData(this.target.exportName, requests);
  }

  /** Data of LIST_META_CONTEXT or SET_META_CONTEXT for the target's export. */
  contextData(queries: readonly (string | Buffer)[]): Buffer {
    return contextData(this.target.exportName, queries);
  }

  /** The transmission phase; Failed where the server does not grant all of `options`. */
  async open(options: OpenOptions = {}): Promise<Transmission> {
    const { style = 'simple', contexts = [] } = options;
    const negotiation = await this.negotiate();
    if (style === 'structured') await negotiation.acknowledged(option.structuredReply);
    if (style === 'extended') await negotiation.acknowledged(option.extendedHeaders);
    let selected: Context[] = [];
    if (contexts.length > 0) {
      selected = parseContexts(await negotiation.acknowledged(option.setMetaContext, this.contextData(contexts)));
      const missing = contexts.filter((name) => !selected.some((context) => context.name === name));
      expect(missing.length === 0, `the metadata context ${missing.join(', ')} was not selected`);
    }
    return this.enter(negotiation, style, selected);
  }

  /** Ends a negotiation by GO, or by EXPORT_NAME where the server has no GO. */
  async enter(negotiation: Negotiation, style: Style, contexts: readonly Context[] = []): Promise<Transmission> {
    const { final, before } = await negotiation.ask(option.go, this.infoData([info.blockSize]));
    if (final.type === optionReply.errorUnsupported) return this.enterByName(negotiation, style, contexts);
    if (isErrorReply(final.type)) {
      throw new Failed(`NBD_OPT_GO was answered by ${nameOfOptionReply(final.type)} ${final.data.toString()}`.trim());
    }
    return new Transmission(negotiation.connection, style, parseInfo(before), contexts);
  }

  /** Ends a negotiation by EXPORT_NAME. */
  async enterByName(negotiation: Negotiation, style: Style, contexts: readonly Context[] = []): Promise<Transmission> {
    await negotiation.send(option.exportName, Buffer.from(this.target.exportName));
    const withZeroes = (negotiation.clientFlags & handshakeFlag.noZeroes) === 0;
    const bytes = await negotiation.connection.read(withZeroes ? 134 : 10, 'the reply to NBD_OPT_EXPORT_NAME');
    expect(isZero(bytes.subarray(10)), 'the 124 reserved bytes are not all zero');
    const found: ExportInfo = { ...parseExport(bytes), types: [] };
    return new Transmission(negotiation.connection, style, found, contexts);
  }

  /** Runs `work` on a fresh connection of each style that the server has, and says which one it failed on. */
  async eachStyle(
    facts: Facts,
    work: (session: Transmission) => Promise<void>,
    options: { contexts?: readonly string[]; except?: Style } = {},
  ): Promise<void> {
    for (const style of facts.styles) {
      if (style === options.except) continue;
      await within(`${style} replies`, async () => {
        const session = await this.open({ style, ...(options.contexts ? { contexts: options.contexts } : {}) });
        await work(session);
        session.connection.close();
      });
    }
  }

  /** Fails unless the server takes a new connection and serves the export. */
  async stillServes(facts: Facts): Promise<void> {
    await within('a new connection afterwards', async () => {
      if (!facts.isOpen) {
        await (await this.negotiatePlain()).expect(option.abort, undefined, optionReply.ack);
        return;
      }
      const session = await this.open();
      await session.ping();
      session.connection.close();
    });
  }

  /** Grows as long as anything comes or goes on any of its connections. */
  get steps(): number {
    return this.#connections.reduce((sum, { steps }) => sum + steps, 0);
  }

  /** What the check was waiting for when it was stopped. */
  get waitingFor(): string {
    const waits = this.#connections.map(({ waitingFor }) => waitingFor).filter((what) => what !== 'nothing');
    return waits.join('; ') || 'nothing of the server';
  }

  /** Closes all connections, those too that are only being made. */
  closeAll(): void {
    this.#isOver = true;
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
  }
}

/** Makes what was written durable where the server can. */
export async function flushIfOffered(session: Transmission): Promise<void> {
  if ((session.info.flags & transmissionFlag.flush) !== 0) await session.succeed({ type: command.flush });
}
