import { robustnessSource, type Check, type Need } from './check.ts';
import type { Client } from './client.ts';
import { command, info, isErrorReply, nameOfOptionReply, option, optionReply } from './constants.ts';
import { encodeOption, infoData, parseInfo, type Negotiation } from './negotiation.ts';
import { ConnectionEnded, expect, Failed, Skipped, within } from './outcome.ts';
import { Transmission } from './transmission.ts';

const { errorInvalid, errorTlsRequired } = optionReply;

const refused: Need = ({ tls }) => (tls === 'refused' ? undefined : 'the server has TLS');
const served: Need = ({ tls }) => (tls === 'refused' ? 'the server has no TLS' : undefined);
const forced: Need = ({ tls }) => (tls === 'forced' ? undefined : 'the server does not insist on TLS');
const selective: Need = ({ tls }) => (tls === 'offered' ? undefined : 'TLS is not at the choice of the client');

/** A negotiation after these options, STARTTLS and the handshake. */
async function upgraded(client: Client, ...before: readonly number[]): Promise<Negotiation> {
  const negotiation = await client.negotiatePlain();
  for (const number of before) await negotiation.ask(number);
  await negotiation.acknowledged(option.startTls);
  await negotiation.connection.startTls(client.target.tls!);
  return negotiation;
}

/** A check that needs the handshake to succeed. */
const given = (check: Check): Check => ({
  ...check,
  run: (client, facts) => {
    if (client.target.tls === undefined) throw new Skipped('no TLS material was given');
    return check.run(client, facts);
  },
});

const plainChecks: readonly Check[] = [
  {
    id: 'tls.refused',
    title: 'A server without TLS answers NBD_OPT_STARTTLS by an error, and goes on',
    source: 'NOTLS mode',
    level: 'MUST',
    plain: true,
    needs: [refused],
    run: async (client, facts) => {
      const negotiation = await client.negotiatePlain();
      const { final } = await negotiation.ask(option.startTls);
      expect(isErrorReply(final.type), `it was answered by ${nameOfOptionReply(final.type)}`);
      expect(final.type !== errorTlsRequired, 'the error is NBD_REP_ERR_TLS_REQD');
      await negotiation.acknowledged(option.info, infoData(facts.exportName, [info.blockSize]));
    },
  },
  {
    id: 'tls.never-required',
    title: 'A server without TLS never answers NBD_REP_ERR_TLS_REQD',
    source: 'NOTLS mode',
    level: 'MUST',
    needs: [refused],
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      for (const number of [option.list, option.structuredReply, option.extendedHeaders, 0x7fff_0003]) {
        const { final } = await negotiation.ask(number);
        expect(final.type !== errorTlsRequired, `option ${number} was answered so`);
      }
    },
  },
  {
    id: 'tls.with-data',
    title: 'NBD_OPT_STARTTLS with data is answered by an error',
    source: 'Option types',
    level: 'SHOULD',
    plain: true,
    run: async (client) => {
      const { final } = await (await client.negotiatePlain()).ask(option.startTls, Buffer.from('data'));
      expect(isErrorReply(final.type), `it was answered by ${nameOfOptionReply(final.type)}`);
    },
  },
  {
    id: 'tls.forced',
    title: 'A server that insists on TLS answers every option but STARTTLS and ABORT by NBD_REP_ERR_TLS_REQD',
    source: 'Server-side requirements',
    level: 'MUST',
    plain: true,
    needs: [forced],
    run: async (client, facts) => {
      const negotiation = await client.negotiatePlain();
      const name = infoData(facts.exportName, []);
      for (const number of [3, 6, 7, 8, 9, 10, 11, 0x7fff_0004]) {
        const hasName = number === option.info || number === option.go;
        await negotiation.expect(number, hasName ? name : undefined, errorTlsRequired);
      }
      await negotiation.acknowledged(option.abort);
    },
  },
  {
    id: 'tls.forced-export-name',
    title: 'It ends the connection at NBD_OPT_EXPORT_NAME',
    source: 'FORCEDTLS mode',
    level: 'MUST',
    plain: true,
    needs: [forced],
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.send(option.exportName, Buffer.from(client.target.exportName));
      expect(await negotiation.connection.ends(), 'the server sent something');
    },
  },
  {
    id: 'tls.no-handshake',
    title: 'The session ends when what follows STARTTLS is no TLS',
    source: 'FORCEDTLS mode',
    level: 'MUST',
    plain: true,
    needs: [served],
    run: async (client, facts) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.acknowledged(option.startTls);
      await negotiation.send(option.list);
      negotiation.connection.halfClose();
      // An alert of TLS may come before the end.
      await negotiation.connection.drain(1024);
      await client.stillServes(facts);
    },
  },
  {
    id: 'tls.silent-handshake',
    title: 'A client that says nothing after STARTTLS does not hold up others',
    source: robustnessSource,
    level: 'MUST',
    plain: true,
    needs: [served],
    run: async (client, facts) => {
      await (await client.negotiatePlain()).acknowledged(option.startTls);
      await client.stillServes(facts);
    },
  },
];

const sessionChecks: readonly Check[] = [
  given({
    id: 'tls.session',
    title: 'After the handshake options and requests are served, by TLS 1.2 or later',
    source: 'TLS versions',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const negotiation = await upgraded(client);
      const version = negotiation.connection.tlsVersion;
      expect(version === 'TLSv1.2' || version === 'TLSv1.3', `the version is ${version}`);
      await negotiation.ask(option.list);
      await (await client.enter(negotiation, 'simple')).ping();
    },
  }),
  given({
    id: 'tls.version-1-2',
    title: 'TLS 1.2 is there',
    source: 'TLS versions',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.acknowledged(option.startTls);
      await negotiation.connection.startTls(client.target.tls!, { maxVersion: 'TLSv1.2' });
      await (await client.enter(negotiation, 'simple')).ping();
    },
  }),
  given({
    id: 'tls.old-versions',
    title: 'TLS 1.0 and 1.1 are not there',
    source: 'TLS versions',
    level: 'SHOULD',
    needs: [served],
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.acknowledged(option.startTls);
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
      try {
        await negotiation.connection.startTls(client.target.tls!, old);
      } catch (error) {
        if (error instanceof Failed) return;
        throw error;
      }
      throw new Failed(`the server speaks ${negotiation.connection.tlsVersion}`);
    },
  }),
  given({
    id: 'tls.twice',
    title: 'A second NBD_OPT_STARTTLS is answered by NBD_REP_ERR_INVALID',
    source: 'FORCEDTLS mode',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const negotiation = await upgraded(client);
      await negotiation.expect(option.startTls, undefined, errorInvalid);
      await (await client.enter(negotiation, 'simple')).ping();
    },
  }),
  given({
    id: 'tls.not-required-inside',
    title: 'Inside TLS no option is answered by NBD_REP_ERR_TLS_REQD',
    source: 'FORCEDTLS mode',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const negotiation = await upgraded(client);
      for (const number of [option.list, option.structuredReply, option.extendedHeaders, 0x7fff_0005]) {
        const { final } = await negotiation.ask(number);
        expect(final.type !== errorTlsRequired, `option ${number} was answered so`);
      }
    },
  }),
  given({
    id: 'tls.state-is-lost',
    title: 'What was negotiated before STARTTLS is not in effect after it',
    source: 'Option types',
    level: 'MUST',
    needs: [served, selective],
    run: async (client) => {
      for (const number of [option.structuredReply, option.extendedHeaders]) {
        const negotiation = await upgraded(client, number);
        const replies = await negotiation.acknowledged(option.go, client.infoData([info.blockSize]));
        const session = new Transmission(negotiation.connection, 'simple', parseInfo(replies), []);
        await within(`option ${number} before it`, () => session.ping());
      }
    },
  }),
  given({
    id: 'tls.injected-option',
    title: 'An option that came in clear together with STARTTLS is not carried out',
    source: 'Protocol downgrade attacks',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      const both = [encodeOption(option.startTls), encodeOption(option.structuredReply)];
      await negotiation.connection.write(Buffer.concat(both));
      const { final } = await negotiation.replies(option.startTls);
      if (isErrorReply(final.type)) return;
      try {
        await negotiation.connection.startTls(client.target.tls!);
      } catch (error) {
        // The clear bytes broke the handshake, as they may.
        if (error instanceof Failed) return;
        throw error;
      }
      const replies = await negotiation.acknowledged(option.go, client.infoData([info.blockSize]));
      await new Transmission(negotiation.connection, 'simple', parseInfo(replies), []).ping();
    },
  }),
  given({
    id: 'tls.disconnect',
    title: 'NBD_CMD_DISC ends TLS and the connection',
    source: 'Terminating the transmission phase',
    level: 'MUST',
    needs: [served],
    run: async (client) => {
      const session = await client.enter(await upgraded(client), 'simple');
      await session.ping();
      await session.send({ type: command.disconnect });
      try {
        expect(await session.connection.ends(), 'the server sent something');
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
      }
    },
  }),
];

export const tlsChecks: readonly Check[] = [...plainChecks, ...sessionChecks];
