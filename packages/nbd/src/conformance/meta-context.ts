import { countedString, u32 } from './bytes.ts';
import type { Check } from './check.ts';
import type { Client } from './client.ts';
import {
  command,
  errno,
  info,
  isErrorReply,
  maximumString,
  nameOfOptionReply,
  option,
  optionReply,
} from './constants.ts';
import { allocation, contexts, refusesNames, structured } from './needs.ts';
import { contextData, parseContexts, type Context, type Negotiation } from './negotiation.ts';
import { expect, within } from './outcome.ts';
import { unknownExport } from './probe.ts';
import type { Transmission } from './transmission.ts';

const { ack, errorInvalid, errorTooBig } = optionReply;
const source = 'Option types';
const base = 'base:allocation';
const both = [
  { number: option.listMetaContext, name: 'LIST_META_CONTEXT' },
  { number: option.setMetaContext, name: 'SET_META_CONTEXT' },
] as const;

/** A negotiation in which structured replies were granted. */
async function withStructured(client: Client): Promise<Negotiation> {
  const negotiation = await client.negotiate();
  await negotiation.acknowledged(option.structuredReply);
  return negotiation;
}

async function list(client: Client, queries: readonly string[]): Promise<Context[]> {
  const negotiation = await withStructured(client);
  return parseContexts(await negotiation.acknowledged(option.listMetaContext, client.contextData(queries)));
}

async function select(client: Client, negotiation: Negotiation, queries: readonly string[]): Promise<Context[]> {
  return parseContexts(await negotiation.acknowledged(option.setMetaContext, client.contextData(queries)));
}

const namesOf = (found: readonly Context[]): string => found.map(({ name }) => name).join(', ') || 'none';

/** Enters transmission and fails unless BLOCK_STATUS is refused, as no context is selected. */
async function expectNoContext(client: Client, negotiation: Negotiation, length: number): Promise<void> {
  const session: Transmission = await client.enter(negotiation, 'structured');
  await session.refuse({ type: command.blockStatus, length }, errno.invalid);
}

/** Data of the two options that no client may send: its lengths lead out of the option. */
function malformedData(name: string): readonly (readonly [string, Buffer])[] {
  const counted = countedString(name);
  return [
    ['no data', Buffer.alloc(0)],
    ['3 bytes', Buffer.alloc(3)],
    ['a name longer than the data', Buffer.concat([u32(name.length + 100), Buffer.from(name), u32(0)])],
    ['a name of 4 GiB', Buffer.concat([u32(0xffff_ffff), Buffer.from(name), u32(0)])],
    ['a name without the number of queries', counted],
    ['more queries announced than sent', Buffer.concat([counted, u32(2), countedString(base)])],
    ['4 Gi queries announced', Buffer.concat([counted, u32(0xffff_ffff), countedString(base)])],
    ['a query longer than the data', Buffer.concat([counted, u32(1), u32(100), Buffer.from(base)])],
    ['a query of 4 GiB', Buffer.concat([counted, u32(1), u32(0xffff_ffff), Buffer.from(base)])],
    ['half the length of a query', Buffer.concat([counted, u32(1), Buffer.alloc(2)])],
  ];
}

const listChecks: readonly Check[] = [
  {
    id: 'context.list-all',
    title: 'Without queries LIST_META_CONTEXT tells all contexts',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const found = await list(client, []);
      return found.length === 0 ? 'there are none' : undefined;
    },
  },
  {
    id: 'context.names',
    title: 'Contexts are named NAMESPACE:LEAF, in a namespace of the document',
    source: 'Metadata querying',
    level: 'MUST',
    needs: [contexts],
    run: async (client) => {
      for (const { name } of await list(client, [])) {
        expect(/^(?:base|nbd-server|qemu|x-[^:\s]*):/.test(name), `a context is named '${name}'`);
      }
    },
  },
  {
    id: 'context.list-base',
    title: "The query 'base:' lists the contexts of that namespace",
    source: 'The `base:` metadata namespace',
    level: 'MUST',
    needs: [allocation],
    run: async (client) => {
      const found = await list(client, ['base:']);
      expect(found.length === 1 && found[0]!.name === base, `it lists ${namesOf(found)}`);
    },
  },
  {
    id: 'context.list-exact',
    title: 'A query that names a context lists it, and nothing else',
    source,
    level: 'MUST',
    needs: [contexts],
    run: async (client, facts) => {
      for (const name of facts.contexts.slice(0, 8)) {
        const found = await list(client, [name]);
        expect(found.length === 1 && found[0]!.name === name, `'${name}' lists ${namesOf(found)}`);
      }
    },
  },
  {
    id: 'context.list-unknown',
    title: 'Queries of unknown namespaces and unknown leaves list nothing and are no error',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      for (const query of ['x-nbd-conformance:', 'x-nbd-conformance:leaf', 'base:no-such-leaf']) {
        const found = await list(client, [query]);
        expect(found.length === 0, `'${query}' lists ${namesOf(found)}`);
      }
    },
  },
  {
    id: 'context.list-id',
    title: 'Ids in replies to LIST_META_CONTEXT are zero',
    source,
    level: 'SHOULD',
    needs: [contexts],
    run: async (client) => {
      for (const { id, name } of await list(client, [])) expect(id === 0, `the id of ${name} is ${id}`);
    },
  },
  {
    id: 'context.list-selects-nothing',
    title: 'LIST_META_CONTEXT selects nothing',
    source: 'Metadata querying',
    level: 'SHOULD',
    needs: [contexts],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      await negotiation.acknowledged(option.listMetaContext, client.contextData([base]));
      await expectNoContext(client, negotiation, facts.unit);
    },
  },
  {
    id: 'context.list-without-structured',
    title: 'LIST_META_CONTEXT without structured replies is answered, or refused by NBD_REP_ERR_INVALID',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const negotiation = await client.negotiate();
      const types = [ack, errorInvalid, optionReply.errorExtendedHeadersRequired];
      await negotiation.expect(option.listMetaContext, client.contextData([]), ...types);
    },
  },
  {
    id: 'context.many-queries',
    title: 'A thousand queries are answered, or refused by NBD_REP_ERR_TOO_BIG',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const queries = Array.from({ length: 1000 }, (_, index) => `x-nbd-conformance:${index}`);
      for (const { number } of both) {
        const negotiation = await withStructured(client);
        await negotiation.expect(number, client.contextData(queries), ack, errorTooBig);
      }
    },
  },
];

const selectChecks: readonly Check[] = [
  {
    id: 'context.select',
    title: 'SET_META_CONTEXT selects base:allocation, once',
    source,
    level: 'MUST',
    needs: [allocation],
    run: async (client) => {
      const found = await select(client, await withStructured(client), [base]);
      expect(found.length === 1 && found[0]!.name === base, `it selects ${namesOf(found)}`);
    },
  },
  {
    id: 'context.select-all',
    title: 'All contexts can be selected together, each with an id of its own',
    source,
    level: 'MUST',
    needs: [contexts],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      const data = client.contextData([...facts.contexts, 'x-nbd-conformance:leaf']);
      const { final, before } = await negotiation.expect(option.setMetaContext, data, ack, errorTooBig);
      if (final.type !== ack) return 'the server refuses so many';
      const found = parseContexts(before);
      expect(new Set(found.map(({ id }) => id)).size === found.length, `two of ${namesOf(found)} share an id`);
      expect(new Set(found.map(({ name }) => name)).size === found.length, `one is there twice: ${namesOf(found)}`);
      return undefined;
    },
  },
  {
    id: 'context.select-twice',
    title: 'A context that is asked for twice gets one id',
    source,
    level: 'MUST',
    needs: [allocation],
    run: async (client) => {
      const found = await select(client, await withStructured(client), [base, base]);
      expect(new Set(found.map(({ id }) => id)).size === found.length, `two of ${namesOf(found)} share an id`);
    },
  },
  {
    id: 'context.select-nothing',
    title: 'Without queries SET_META_CONTEXT selects nothing',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const found = await select(client, await withStructured(client), []);
      expect(found.length === 0, `it selects ${namesOf(found)}`);
    },
  },
  {
    id: 'context.select-wildcard',
    title: "The query 'base:' selects nothing",
    source: 'The `base:` metadata namespace',
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const found = await select(client, await withStructured(client), ['base:']);
      expect(found.length === 0, `it selects ${namesOf(found)}`);
    },
  },
  {
    id: 'context.select-unknown',
    title: 'Queries of unknown namespaces and unknown leaves select nothing and are no error',
    source: 'The `base:` metadata namespace',
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      for (const query of ['x-nbd-conformance:', 'x-nbd-conformance:leaf', 'base:no-such-leaf', 'base:allocation2']) {
        const found = await select(client, await withStructured(client), [query]);
        expect(found.length === 0, `'${query}' selects ${namesOf(found)}`);
      }
    },
  },
  {
    id: 'context.select-without-structured',
    title: 'SET_META_CONTEXT without structured replies is refused by NBD_REP_ERR_INVALID',
    source,
    level: 'SHOULD',
    needs: [structured],
    run: async (client) => {
      const types = [errorInvalid, optionReply.errorExtendedHeadersRequired];
      const negotiation = await client.negotiate();
      await negotiation.expect(option.setMetaContext, client.contextData([base]), ...types);
    },
  },
  {
    id: 'context.select-replaces',
    title: 'Selecting replaces what was selected before',
    source,
    level: 'MUST',
    needs: [allocation],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      await select(client, negotiation, [base]);
      await select(client, negotiation, []);
      await expectNoContext(client, negotiation, facts.unit);
    },
  },
  {
    id: 'context.survives-info',
    title: 'What was selected stays so through other options',
    source: 'Metadata querying',
    level: 'MUST',
    needs: [allocation],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      const selected = await select(client, negotiation, [base]);
      await negotiation.ask(option.listMetaContext, client.contextData([]));
      await negotiation.ask(option.info, client.infoData([info.blockSize]));
      await negotiation.ask(option.list);
      const session = await client.enter(negotiation, 'structured', selected);
      await session.succeed({ type: command.blockStatus, length: facts.unit });
    },
  },
  {
    id: 'context.export-name',
    title: 'What was selected is in effect after NBD_OPT_EXPORT_NAME too',
    source: 'Metadata querying',
    level: 'MUST',
    needs: [allocation],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      const selected = await select(client, negotiation, [base]);
      const session = await client.enterByName(negotiation, 'structured', selected);
      await session.succeed({ type: command.blockStatus, length: facts.unit });
    },
  },
  {
    id: 'context.failure-clears',
    title: 'A SET_META_CONTEXT that fails leaves nothing selected',
    source,
    level: 'MUST',
    needs: [allocation],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      await select(client, negotiation, [base]);
      const { final } = await negotiation.ask(option.setMetaContext, Buffer.alloc(3));
      expect(isErrorReply(final.type), 'three bytes of data were accepted');
      await expectNoContext(client, negotiation, facts.unit);
    },
  },
  {
    id: 'context.other-export',
    title: 'Contexts that were selected for another export are not in effect',
    source: 'Metadata querying',
    level: 'SHOULD',
    needs: [allocation, refusesNames],
    run: async (client, facts) => {
      const negotiation = await withStructured(client);
      await select(client, negotiation, [base]);
      await negotiation.ask(option.setMetaContext, contextData(unknownExport, [base]));
      await expectNoContext(client, negotiation, facts.unit);
    },
  },
  {
    id: 'context.unknown-export',
    title: 'Contexts of an export that does not exist are refused',
    source: 'Option reply types',
    level: 'SHOULD',
    needs: [structured, refusesNames],
    run: async (client) => {
      for (const { number, name } of both) {
        const negotiation = await withStructured(client);
        const { final } = await negotiation.ask(number, contextData(unknownExport, [base]));
        expect(isErrorReply(final.type), `${name} was answered by ${nameOfOptionReply(final.type)}`);
      }
    },
  },
  {
    id: 'context.malformed',
    title: 'Lengths that lead out of the option are refused by NBD_REP_ERR_INVALID, and the session goes on',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      for (const { number, name } of both) {
        for (const [title, data] of malformedData(client.target.exportName)) {
          await within(`${name} with ${title}`, async () => {
            const negotiation = await withStructured(client);
            await negotiation.expect(number, data, errorInvalid);
            await negotiation.acknowledged(option.abort);
            negotiation.connection.close();
          });
        }
      }
    },
  },
  {
    id: 'context.trailing-data',
    title: 'Data after the last query is refused by NBD_REP_ERR_INVALID',
    source,
    level: 'MAY',
    needs: [structured],
    run: async (client) => {
      for (const { number, name } of both) {
        const negotiation = await withStructured(client);
        const data = Buffer.concat([client.contextData([base]), Buffer.alloc(1)]);
        const { final } = await negotiation.expect(number, data, ack, errorInvalid);
        if (final.type === ack) return `${name} accepts it`;
      }
      return undefined;
    },
  },
  {
    id: 'context.odd-queries',
    title: 'A query without a colon, an empty one and one of 4097 bytes select nothing',
    source,
    level: 'SHOULD',
    needs: [structured],
    run: async (client) => {
      for (const query of ['allocation', '', 'x-long:'.padEnd(maximumString + 1, 'x')]) {
        const negotiation = await withStructured(client);
        const { before, final } = await negotiation.ask(option.setMetaContext, client.contextData([query]));
        expect(isErrorReply(final.type) || before.length === 0, `'${query.slice(0, 20)}' selects something`);
      }
    },
  },
];

export const metaContextChecks: readonly Check[] = [...listChecks, ...selectChecks];
