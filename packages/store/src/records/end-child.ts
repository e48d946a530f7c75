/** Ends in the middle of a commit of the database in DIRECTORY: `end-child.ts DIRECTORY STATUS`. */
import { endProcess } from '@ashlar/host';
import { openLmdb } from './lmdb.ts';

const [directory = '', status = ''] = process.argv.slice(2);
const records = openLmdb(directory);
await records.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }]);
void records.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(2) }]);
// The library's thread waits for what it is to write, which this one tells it in a later turn: there is none.
await new Promise((resolve) => setImmediate(resolve));
for (const start = performance.now(); performance.now() - start < 50;);
endProcess(Number(status));
