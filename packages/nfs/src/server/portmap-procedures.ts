import { isIP } from 'node:net';
import type { XdrWriter } from '@ashlar/wire';
import {
  binding,
  bindings,
  ipProtocol,
  mapping,
  mappings,
  portmapProcedure,
  rpcbindProcedure,
  universalAddress,
} from '../codec/portmap.ts';
import { plainAddress } from '../exports/client-pattern.ts';
import type { Procedures } from './programs.ts';
import type { Answer } from './rpc-session.ts';

/** A program that listens, by TCP or UDP. */
export type Listening = {
  readonly program: number;
  readonly version: number;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
};

const answer = (write: (writer: XdrWriter) => void): Answer => ({ kind: 'results', write });

/** Whoever asks is told of what listens here; nobody registers anything. */
export function portmapProcedures(listening: () => readonly Listening[]): Procedures {
  return (procedure, { reader }) => {
    switch (procedure) {
      case portmapProcedure.set:
      case portmapProcedure.unset:
        mapping.read(reader);
        return answer((writer) => void writer.bool(false));
      case portmapProcedure.getPort: {
        const { program, protocol, version } = mapping.read(reader);
        const isFound = (each: Listening): boolean =>
          each.program === program && ipProtocol[each.protocol] === protocol;
        const found = listening().filter(isFound);
        // As rpcbind: a version that is not there is told of another one, and refused by that.
        const { port } = found.find((each) => each.version === version) ?? found[0] ?? { port: 0 };
        return answer((writer) => void writer.u32(port));
      }
      case portmapProcedure.dump: {
        const all = listening().map(({ port, program, protocol, version }) => ({
          program,
          version,
          protocol: ipProtocol[protocol],
          port,
        }));
        return answer((writer) => mappings.write(writer, all));
      }
      default:
        return undefined;
    }
  };
}

/** The same as versions 3 and 4 of rpcbind ask for it. */
export function rpcbindProcedures(listening: () => readonly Listening[], now: () => number): Procedures {
  return (procedure, { reader }, { peer }) => {
    const isSix = plainAddress(peer.address).includes(':');
    const networkOf = ({ protocol }: Listening): string => (isSix ? `${protocol}6` : protocol);
    const anywhere = isSix ? '::' : '0.0.0.0';
    const addressOf = ({ port }: Listening, host: string): string => `${host}.${port >> 8}.${port & 0xff}`;
    switch (procedure) {
      case rpcbindProcedure.set:
      case rpcbindProcedure.unset:
        binding.read(reader);
        return answer((writer) => void writer.bool(false));
      case rpcbindProcedure.getAddress:
      case rpcbindProcedure.getVersionAddress: {
        const { address, network, program, version } = binding.read(reader);
        const isFound = (each: Listening): boolean =>
          each.program === program && (network === '' || network.replace('6', '') === each.protocol);
        const found = listening().filter(isFound);
        const exact = found.find((each) => each.version === version);
        const chosen = procedure === rpcbindProcedure.getVersionAddress ? exact : (exact ?? found[0]);
        // A client of a machine with many addresses goes on with the one that it came to.
        const host = plainAddress(peer.local ?? hostIn(address) ?? anywhere);
        return answer((writer) => universalAddress.write(writer, chosen === undefined ? '' : addressOf(chosen, host)));
      }
      case rpcbindProcedure.dump: {
        const all = listening().map((each) => ({
          program: each.program,
          version: each.version,
          network: networkOf(each),
          address: addressOf(each, anywhere),
          owner: 'superuser',
        }));
        return answer((writer) => bindings.write(writer, all));
      }
      case rpcbindProcedure.getTime:
        return answer((writer) => void writer.u32(Math.floor(now() / 1000)));
      default:
        return undefined;
    }
  };
}

/** The host of a universal address, whose last two numbers are of the port. */
function hostIn(address: string): string | undefined {
  const host = address.split('.').slice(0, -2).join('.');
  return isIP(host) === 0 || host === '0.0.0.0' || host === '::' ? undefined : host;
}
