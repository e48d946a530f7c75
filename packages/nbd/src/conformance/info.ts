import { countedString, u16, u32 } from './bytes.ts';
import type { Check } from './check.ts';
import type { Client } from './client.ts';
import type { Facts } from './facts.ts';
import {
  handshakeFlag,
  info,
  isErrorReply,
  maximumString,
  nameOfOptionReply,
  option,
  optionReply,
} from './constants.ts';
import { lists, refusesNames } from './needs.ts';
import { infoData, parseInfo, parseServers, type Negotiation } from './negotiation.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';
import { unknownExport } from './probe.ts';
import { Transmission } from './transmission.ts';

const { ack, errorBlockSizeRequired, errorInvalid, errorTlsRequired, errorUnknown } = optionReply;
const source = 'Option types';
const both = [
  { number: option.info, name: 'NBD_OPT_INFO' },
  { number: option.go, name: 'NBD_OPT_GO' },
] as const;

const unknownRequests = Array.from({ length: 20 }, (_, index) => 0x7700 + index);

type Named = readonly [string, Buffer];

/** Data of INFO and GO that no client may send, each by a name. */
function malformedData(name: string): readonly Named[] {
  const text = Buffer.from(name);
  return [
    ['no data', Buffer.alloc(0)],
    ['3 bytes', Buffer.alloc(3)],
    ['a name without the number of requests', countedString(text)],
    ['a name longer than the data', Buffer.concat([u32(text.length + 100), text, u16(0)])],
    ['a name of 4 GiB', Buffer.concat([u32(0xffff_ffff), text, u16(0)])],
    ['a name that reaches into the number of requests', Buffer.concat([u32(text.length + 1), text, u16(0)])],
    ['more requests announced than sent', Buffer.concat([countedString(text), u16(9), u16(info.blockSize)])],
    ['half a request', Buffer.concat([countedString(text), u16(1), Buffer.alloc(1)])],
  ];
}

/** Data of INFO and GO with something after its end. */
function overlongData(name: string): readonly Named[] {
  return [
    ['fewer requests announced than sent', Buffer.concat([countedString(name), u16(0), u16(info.blockSize)])],
    ['a byte too many', Buffer.concat([infoData(name, [info.blockSize]), Buffer.alloc(1)])],
  ];
}

/** Sends one malformed INFO or GO; the final reply's type, or undefined where the connection ended. */
async function answerToMalformed(negotiation: Negotiation, number: number, data: Buffer): Promise<number | undefined> {
  await negotiation.send(number, data);
  // A server that waits for more than the option's length then sees that nothing comes.
  negotiation.connection.halfClose();
  try {
    return (await negotiation.replies(number)).final.type;
  } catch (error) {
    if (error instanceof ConnectionEnded) return undefined;
    throw error;
  }
}

async function eachMalformed(
  client: Client,
  cases: readonly Named[],
  judge: (type: number | undefined) => void,
): Promise<void> {
  for (const { number, name } of both) {
    for (const [title, data] of cases) {
      const negotiation = await client.negotiate();
      const type = await answerToMalformed(negotiation, number, data);
      await within(`${name} with ${title}`, async () => judge(type));
      negotiation.connection.close();
    }
  }
}

function expectInvalid(type: number | undefined): void {
  expect(type !== undefined, 'the server closed the connection');
  expect(type === errorInvalid, `it was answered by ${nameOfOptionReply(type)}`);
}

async function unknownName(client: Client, facts: Facts, number: number): Promise<Negotiation> {
  const negotiation = await client.negotiate();
  const data = infoData(unknownExport, [info.blockSize]);
  const types = facts.tls === 'refused' || client.target.tls ? [errorUnknown] : [errorUnknown, errorTlsRequired];
  const { before } = await negotiation.expect(number, data, ...types);
  expect(
    before.every(({ type }) => type === optionReply.info),
    'a reply before the error is no NBD_REP_INFO',
  );
  return negotiation;
}

const nameChecks: readonly Check[] = [
  {
    id: 'info.unknown-export',
    title: 'An export that does not exist is refused by NBD_REP_ERR_UNKNOWN',
    source,
    level: 'MUST',
    needs: [refusesNames],
    run: async (client, facts) => {
      for (const { number } of both) await unknownName(client, facts, number);
    },
  },
  {
    id: 'info.unknown-export-tells-nothing',
    title: 'No information is sent about an export that does not exist',
    source,
    level: 'SHOULD',
    needs: [refusesNames],
    run: async (client) => {
      for (const { number, name } of both) {
        const { before } = await (await client.negotiate()).ask(number, infoData(unknownExport, [info.blockSize]));
        expect(before.length === 0, `${name} had ${before.length} replies before the error`);
      }
    },
  },
  {
    id: 'go.after-unknown-export',
    title: 'After a refused NBD_OPT_GO the client can take another export',
    source,
    level: 'MUST',
    needs: [refusesNames],
    run: async (client, facts) => {
      const negotiation = await unknownName(client, facts, option.go);
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'info.default-export',
    title: 'The empty name is answered as the default export or as an unknown one',
    source,
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      const { final } = await negotiation.expect(option.info, infoData('', [info.blockSize]), ack, errorUnknown);
      return final.type === ack ? 'there is a default export' : 'there is no default export';
    },
  },
  {
    id: 'info.longest-name',
    title: 'A name of 4096 bytes that does not exist is refused, and the session goes on',
    source: 'Conventions',
    level: 'MUST',
    needs: [refusesNames],
    run: async (client) => {
      const negotiation = await client.negotiate();
      const { final } = await negotiation.ask(option.info, infoData('n'.repeat(maximumString), []));
      expect(isErrorReply(final.type), `it was answered by ${nameOfOptionReply(final.type)}`);
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'info.name-too-long',
    title: 'A name of more than 4096 bytes is not accepted',
    source: 'Conventions',
    level: 'SHOULD',
    run: async (client) => {
      for (const length of [maximumString + 1, 3 * maximumString]) {
        const negotiation = await client.negotiate();
        const type = await answerToMalformed(negotiation, option.info, infoData('n'.repeat(length), []));
        expect(type !== ack, `a name of ${length} bytes was accepted`);
      }
    },
  },
  {
    id: 'info.name-not-a-string',
    title: 'A name with a NUL, or one that is not UTF-8, is not accepted',
    source: 'Conventions',
    level: 'MAY',
    run: async (client) => {
      for (const name of [Buffer.from(`${client.target.exportName}\0`), Buffer.from([0x66, 0xff, 0xfe, 0x6f])]) {
        const negotiation = await client.negotiate();
        const type = await answerToMalformed(negotiation, option.info, infoData(name, []));
        if (type === ack) return 'the server accepts such a name';
      }
      return undefined;
    },
  },
  {
    id: 'list.entries-exist',
    title: 'Each export that is listed is known to NBD_OPT_INFO',
    source: 'Option reply types',
    level: 'MUST',
    needs: [lists],
    run: async (client) => {
      const negotiation = await client.negotiate();
      const names = parseServers(await negotiation.acknowledged(option.list));
      for (const name of names.slice(0, 8)) {
        const { final } = await negotiation.ask(option.info, infoData(name, [info.blockSize]));
        const isKnown = final.type === ack || final.type === errorTlsRequired;
        expect(isKnown, `'${name}' was answered by ${nameOfOptionReply(final.type)}`);
      }
    },
  },
];

const replyChecks: readonly Check[] = [
  {
    id: 'info.export',
    title: 'NBD_OPT_INFO is acknowledged after NBD_INFO_EXPORT, and the session goes on',
    source: 'Baseline',
    level: 'MUST',
    run: async (client, facts) => {
      const negotiation = await client.negotiate();
      const found = parseInfo(await negotiation.acknowledged(option.info, client.infoData([info.blockSize])));
      expect(found.size === facts.size, `the size is ${found.size} now and was ${facts.size} before`);
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'go.enters-transmission',
    title: 'NBD_OPT_GO is acknowledged after NBD_INFO_EXPORT, and requests follow with no zeroes between',
    source: 'Baseline',
    level: 'MUST',
    run: async (client) => {
      for (const flags of [handshakeFlag.fixedNewstyle, handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes]) {
        const negotiation = await client.negotiate(flags);
        const replies = await negotiation.acknowledged(option.go, client.infoData([info.blockSize]));
        await new Transmission(negotiation.connection, 'simple', parseInfo(replies), []).ping();
      }
    },
  },
  {
    id: 'info.each-once',
    title: 'No type of information is sent twice',
    source: 'Option reply types',
    level: 'SHOULD',
    run: async (client) => {
      const requests = [info.export, info.name, info.description, info.blockSize];
      const replies = await (await client.negotiate()).acknowledged(option.info, client.infoData(requests));
      const { types } = parseInfo(replies);
      expect(new Set(types).size === types.length, `the types are ${types.join(', ')}`);
    },
  },
  {
    id: 'info.same-as-go',
    title: 'NBD_OPT_GO after the same NBD_OPT_INFO tells the same',
    source,
    level: 'MUST',
    run: async (client) => {
      const data = client.infoData([info.name, info.description, info.blockSize]);
      const negotiation = await client.negotiate();
      const first = await negotiation.acknowledged(option.info, data);
      const second = await negotiation.acknowledged(option.go, data);
      const sorted = (replies: typeof first): string[] => replies.map((reply) => reply.data.toString('hex')).toSorted();
      expect(sorted(first).join() === sorted(second).join(), 'the information differs');
    },
  },
  {
    id: 'info.unknown-requests',
    title: 'Requests for unknown information are ignored',
    source,
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      parseInfo(await negotiation.acknowledged(option.info, client.infoData([info.blockSize, 0x7777])));
      parseInfo(await negotiation.acknowledged(option.go, client.infoData([...unknownRequests, info.blockSize])));
    },
  },
  {
    id: 'info.no-requests',
    title: 'An empty list of requests is enough, unless the block sizes are not the default',
    source,
    level: 'MUST',
    run: async (client) => {
      for (const { number } of both) {
        const negotiation = await client.negotiate();
        const { final } = await negotiation.expect(number, client.infoData([]), ack, errorBlockSizeRequired);
        if (final.type !== ack) return 'the server insists on NBD_INFO_BLOCK_SIZE';
      }
      return undefined;
    },
  },
  {
    id: 'info.repeated-requests',
    title: 'A request that is there twice does no harm',
    source,
    level: 'MAY',
    run: async (client, facts) => {
      const negotiation = await client.negotiate();
      const data = client.infoData([info.blockSize, info.blockSize, info.name, info.name]);
      const type = await answerToMalformed(negotiation, option.info, data);
      await client.stillServes(facts);
      return type === ack ? undefined : `it is answered by ${type === undefined ? 'a close' : nameOfOptionReply(type)}`;
    },
  },
  {
    id: 'info.repeatable',
    title: 'NBD_OPT_INFO can be asked many times',
    source,
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      for (let round = 0; round < 12; round++) {
        parseInfo(await negotiation.acknowledged(option.info, client.infoData([info.blockSize])));
      }
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'info.canonical-name',
    title: 'The name in NBD_INFO_NAME is one that NBD_OPT_LIST tells',
    source: 'Option reply types',
    level: 'SHOULD',
    needs: [lists],
    run: async (client, facts) => {
      const replies = await (await client.negotiate()).acknowledged(option.info, client.infoData([info.name]));
      const { name } = parseInfo(replies);
      if (name === undefined) return 'the server sends no NBD_INFO_NAME';
      expect(facts.exports!.includes(name), `the name is '${name}', and listed are '${facts.exports!.join("', '")}'`);
      return undefined;
    },
  },
  {
    id: 'info.description',
    title: 'NBD_INFO_DESCRIPTION, where it is sent, is a string',
    source: 'Option reply types',
    level: 'MUST',
    run: async (client) => {
      const replies = await (await client.negotiate()).acknowledged(option.info, client.infoData([info.description]));
      return parseInfo(replies).description === undefined ? 'the server sends none' : undefined;
    },
  },
  {
    id: 'info.malformed',
    title: 'Lengths that lead out of the data of INFO and GO are not accepted',
    source,
    level: 'MUST',
    run: (client) =>
      eachMalformed(client, malformedData(client.target.exportName), (type) =>
        expect(type !== ack, 'it was acknowledged'),
      ),
  },
  {
    id: 'info.malformed-error',
    title: 'Lengths that lead out of the data of INFO and GO are refused by NBD_REP_ERR_INVALID',
    source: 'Option reply types',
    level: 'SHOULD',
    run: (client) => eachMalformed(client, malformedData(client.target.exportName), expectInvalid),
  },
  {
    id: 'info.trailing-data',
    title: 'More data than INFO and GO need is refused by NBD_REP_ERR_INVALID',
    source: 'Option reply types',
    level: 'SHOULD',
    run: (client) => eachMalformed(client, overlongData(client.target.exportName), expectInvalid),
  },
];

export const infoChecks: readonly Check[] = [...replyChecks, ...nameChecks];
