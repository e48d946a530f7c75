import { defaultMaximumPayload, handshakeFlag, info, option, optionReply } from './constants.ts';
import type { Client } from './client.ts';
import type { Facts } from './facts.ts';
import { infoData, parseContexts, parseServers, type ExportInfo } from './negotiation.ts';
import { Failed } from './outcome.ts';
import type { Style } from './reply.ts';

/** The server is there but does not serve the export that was named. The message is the whole sentence. */
export class ExportRefused extends Error {}

export const unknownExport = 'nbd-conformance: no such export';

const closed: Omit<Facts, 'handshakeFlags' | 'tls'> = {
  isOpen: false,
  exportName: '',
  exports: undefined,
  size: 0,
  flags: 0,
  info: { size: 0, flags: 0, types: [] },
  styles: [],
  bestStyle: 'simple',
  contexts: [],
  acceptsEveryName: false,
  unit: 512,
  maximumPayload: defaultMaximumPayload,
};

async function probeTls(client: Client): Promise<{ handshakeFlags: number; tls: Facts['tls'] }> {
  const plain = await client.greet();
  const { handshakeFlags } = plain;
  await plain.sendFlags(handshakeFlags & (handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes));
  const { final } = await plain.ask(option.info, infoData(client.target.exportName, []));
  if (final.type === optionReply.errorTlsRequired) return { handshakeFlags, tls: 'forced' };
  const answer = await plain.ask(option.startTls);
  return { handshakeFlags, tls: answer.final.type === optionReply.ack ? 'offered' : 'refused' };
}

/** Whether the server grants an option that has no data. */
async function grants(client: Client, number: number): Promise<boolean> {
  return (await (await client.negotiate()).ask(number)).final.type === optionReply.ack;
}

/** Size and flags by NBD_OPT_GO, as not all servers tell the same in NBD_OPT_INFO. */
async function look(client: Client, style: Style): Promise<ExportInfo> {
  try {
    return (await client.open({ style })).info;
  } catch (error) {
    if (!(error instanceof Failed) || style !== 'simple') throw error;
    throw new ExportRefused(`the server refuses the export '${client.target.exportName}': ${error.message}`);
  }
}

async function probeContexts(client: Client): Promise<string[]> {
  const negotiation = await client.negotiate();
  await negotiation.acknowledged(option.structuredReply);
  const { final, before } = await negotiation.ask(option.listMetaContext, client.contextData([]));
  if (final.type !== optionReply.ack) return [];
  // A name that ends in a colon stands for contexts that are not told one by one.
  return parseContexts(before)
    .map(({ name }) => name)
    .filter((name) => !name.endsWith(':'));
}

async function probeNames(client: Client): Promise<Pick<Facts, 'exports' | 'acceptsEveryName'>> {
  const negotiation = await client.negotiate();
  const list = await negotiation.ask(option.list);
  const unknown = await negotiation.ask(option.info, infoData(unknownExport, [info.blockSize]));
  return {
    exports: list.final.type === optionReply.ack ? parseServers(list.before) : undefined,
    acceptsEveryName: unknown.final.type === optionReply.ack,
  };
}

/** Looks at the server. Throws Failed where it does not speak the protocol at all, and ExportRefused. */
export async function probe(client: Client): Promise<Facts> {
  const { handshakeFlags, tls } = await probeTls(client);
  if (tls === 'forced' && client.target.tls === undefined) return { ...closed, handshakeFlags, tls };
  const found = await look(client, 'simple');
  const styles: Style[] = ['simple'];
  if (await grants(client, option.structuredReply)) styles.push('structured');
  if (await grants(client, option.extendedHeaders)) styles.push('extended');
  const bestStyle = styles.at(-1)!;
  return {
    handshakeFlags,
    tls,
    isOpen: true,
    exportName: client.target.exportName,
    ...(await probeNames(client)),
    size: found.size,
    flags: (await look(client, bestStyle)).flags,
    info: found,
    styles,
    bestStyle,
    contexts: styles.includes('structured') ? await probeContexts(client) : [],
    unit: Math.max(512, found.blockSize?.minimum ?? 1),
    maximumPayload: found.blockSize?.maximum ?? defaultMaximumPayload,
  };
}
