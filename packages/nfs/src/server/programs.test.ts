import { authFlavor, authSys, CallHead, writeCall, XdrReader, XdrWriter } from '@ashlar/wire';
import test from 'ava';
import { emptyAnswer, Programs, type GroupsOf } from './programs.ts';

/** Serves a call of a user with the group 5; gives the groups and the arguments that it came with. */
async function served(groupsOf?: GroupsOf) {
  const seen: { gids: readonly number[] | undefined; word: number }[] = [];
  const procedures = (
    _: number,
    { reader }: { readonly reader: XdrReader },
    { sys }: { readonly sys: { gids: readonly number[] } | undefined },
  ) => {
    seen.push({ gids: sys?.gids, word: reader.u32() });
    return emptyAnswer;
  };
  const programs = new Programs(new Map([[9, new Map([[1, procedures]])]]), groupsOf);
  const sys = new XdrWriter();
  authSys.write(sys, { stamp: 1, machine: 'vm', uid: 1000, gid: 100, gids: [5] });
  const writer = new XdrWriter();
  writeCall(writer, { xid: 1, program: 9, version: 1, procedure: 1, sys: Uint8Array.from(sys.bytes()) });
  writer.u32(77);
  const record = Buffer.from(writer.bytes());
  const head = new CallHead();
  const reader = new XdrReader(record);
  head.read(reader);
  const answer = programs.serve({ head, reader, peer: { address: '10.0.0.1', port: 700 }, record });
  // What it is read from is another call's as soon as this one waits.
  record.fill(0);
  head.flavor = authFlavor.none;
  await answer;
  return seen;
}

test('a call has the groups that it says, unless the server knows those of its user', async (t) => {
  t.deepEqual(await served(), [{ gids: [5], word: 77 }]);
  const gids = [7, 8];
  t.deepEqual(await served((uid) => (uid === 1000 ? gids : [])), [{ gids, word: 77 }]);
});

test('a call waits for the groups of its user, and is served as it came', async (t) => {
  const gids = Array.from({ length: 40 }, (_, at) => at);
  const groupsOf = () => new Promise<readonly number[]>((resolve) => void setImmediate(() => resolve(gids)));
  t.deepEqual(await served(groupsOf), [{ gids, word: 77 }]);
});
