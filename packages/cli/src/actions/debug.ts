import { AshlarError, formatSize, type Extent } from '@ashlar/core';
import { readCatalogue, type Volume } from '@ashlar/volume';
import { withPool, type Offline } from '../check/open-offline.ts';
import { show, table } from '../output.ts';

type Options = { readonly data?: string; readonly json?: boolean };

const extentsEach = 4096;

async function volumeOf({ records }: Offline, name: string): Promise<Volume> {
  const found = (await readCatalogue(records)).volumes.find((volume) => volume.name === name);
  if (found !== undefined) return found;
  throw new AshlarError(
    'not-found',
    `there is no volume '${name}' in this pool: 'ashlar debug dump record' shows those there are`,
    { volume: name },
  );
}

/** Every extent of a volume, neighbours of one state joined by the store as far as one look goes. */
async function extentsOf(offline: Offline, { storeId, objectId }: Volume): Promise<Extent[]> {
  const store = await offline.pool.openStore(storeId);
  const sizeBytes = store.sizeOf(objectId);
  const found: Extent[] = [];
  for (let at = 0; at < sizeBytes;) {
    const some = await store.extents(objectId, at, sizeBytes - at, extentsEach);
    found.push(...some);
    const last = some.at(-1);
    if (last === undefined) break;
    at = last.offset + last.length;
  }
  await store.close();
  return found;
}

const dataOf = ({ data }: Options): string => data ?? process.env['ASHLAR_DATA'] ?? 'ashlar-data';

export async function dumpRecords(options: Options): Promise<void> {
  const { volumes, exports } = await withPool(dataOf(options), ({ records }) => readCatalogue(records));
  show(options.json, { volumes, exports }, () =>
    [
      ...volumes.map((each) => `volume ${JSON.stringify(each)}`),
      ...exports.map((each) => `export ${JSON.stringify(each)}`),
    ].join('\n'),
  );
}

export async function dumpMap(name: string, options: Options): Promise<void> {
  const extents = await withPool(dataOf(options), async (offline) => extentsOf(offline, await volumeOf(offline, name)));
  show(options.json, extents, (rows) =>
    table<Extent>(
      [
        { title: 'OFFSET', text: ({ offset }) => String(offset), right: true },
        { title: 'LENGTH', text: ({ length }) => String(length), right: true },
        { title: 'STATE', text: ({ state }) => state },
        { title: 'SIZE', text: ({ length }) => formatSize(length), right: true },
      ],
      rows,
    ),
  );
}
