import { fileSystemBit } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, same } from './outcome.ts';

const fsstat = area('fsstat', rfc1813);
const fsinfo = area('fsinfo', rfc1813);
const pathconf = area('pathconf', rfc1813);

const isMultiple = (one: number, other: number): boolean => other > 0 && one % other === 0;

export const fileSystemChecks: readonly Check[] = [
  fsstat.must('order', 'What is free is no more than there is', '3.3.18', async (place) => {
    const found = await place.session.ok(procedures.statistics, { handle: place.facts.root });
    expect(found.freeBytes <= found.totalBytes, 'more bytes are free than there are');
    expect(found.availableBytes <= found.totalBytes, 'more bytes are available than there are');
    expect(found.freeFiles <= found.totalFiles, 'more files are free than there are');
  }),
  fsstat.must('anywhere', 'It is told by any handle of the file system', '3.3.18', async (place) => {
    const one = await place.session.ok(procedures.statistics, { handle: place.facts.root });
    const other = await place.session.ok(procedures.statistics, { handle: await place.file() });
    same(other.totalBytes, one.totalBytes, 'how many bytes there are');
  }),
  fsinfo.must('sizes', 'Preferred sizes are within the largest, and not nothing', '3.3.19', async (place) => {
    const found = place.facts.information;
    expect(found.mostReadBytes > 0 && found.preferredReadBytes <= found.mostReadBytes, 'of reads they are not');
    expect(found.mostWriteBytes > 0 && found.preferredWriteBytes <= found.mostWriteBytes, 'of writes they are not');
    expect(found.preferredDirectoryBytes > 0, 'of directories it is nothing');
  }),
  fsinfo.must('multiples', 'Sizes are multiples of what is said', '3.3.19', async (place) => {
    const { mostReadBytes, mostWriteBytes, readMultiple, writeMultiple } = place.facts.information;
    expect(isMultiple(mostReadBytes, readMultiple), 'of reads they are not');
    expect(isMultiple(mostWriteBytes, writeMultiple), 'of writes they are not');
  }),
  fsinfo.must('large', 'Files of 2 GiB and more can be', '3.3.19', async (place) => {
    const { mostFileBytes } = place.facts.information;
    expect(mostFileBytes >= 2n ** 31n, `they have ${mostFileBytes} bytes at the most`);
  }),
  fsinfo.must('delta', 'The precision of times is a time', '3.3.19', async (place) => {
    const { nanoseconds, seconds } = place.facts.information.timeDelta;
    expect(nanoseconds < 1_000_000_000 && (nanoseconds > 0 || seconds > 0), `it is ${seconds} s and ${nanoseconds} ns`);
  }),
  fsinfo.must('properties', 'Links, symbolic links and times can be, as it says', '3.3.19', async (place) => {
    const { properties } = place.facts.information;
    const { canSetTime, link, symlink } = fileSystemBit;
    const missing = [link, symlink, canSetTime].filter((bit) => (properties & bit) === 0);
    return missing.length === 0 ? undefined : `it says that ${missing.length} of these cannot be`;
  }),
  fsinfo.should('megabyte', 'A MiB is read and written at once', '3.3.19', async (place) => {
    const { mostReadBytes, mostWriteBytes } = place.facts.information;
    expect(mostReadBytes >= 2 ** 20 && mostWriteBytes >= 2 ** 20, `it is ${mostReadBytes} and ${mostWriteBytes} bytes`);
  }),
  pathconf.must('names', 'Names of 255 bytes can be, and are not cut', '3.3.20', async (place) => {
    const { mostNameBytes, noTruncation } = place.facts.limits;
    expect(mostNameBytes >= 255, `they have ${mostNameBytes}`);
    expect(noTruncation, 'longer ones are cut');
  }),
  pathconf.must('case', 'Case is kept', '3.3.20', async (place) => {
    expect(place.facts.limits.casePreserving, 'it is not');
  }),
  pathconf.must('links', 'A file may have more than one name', '3.3.20', async (place) => {
    expect(place.facts.limits.mostLinks > 1, `it has ${place.facts.limits.mostLinks}`);
  }),
  pathconf.must('of-a-file', 'It is told by the handle of a file', '3.3.20', async (place) => {
    const found = await place.session.ok(procedures.pathLimits, { handle: await place.file() });
    same(found.mostNameBytes, place.facts.limits.mostNameBytes, 'the longest name');
  }),
];
