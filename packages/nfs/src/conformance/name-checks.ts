import { nothingSet } from '../codec/types.ts';
import { fileType, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { named } from './samples.ts';

const look = area('lookup', rfc1813);
const readLink = area('readlink', rfc1813);
const { lookup } = procedures;

/** Names that are as good as any other. */
const oddNames = [
  ' ',
  'a b',
  '...',
  '.hidden',
  '-rf',
  '*?[]',
  'back\\slash',
  '"quoted"',
  'new\nline',
  'tab\t',
  'ä ö ü ß',
  '日本語',
  '🙂',
  'CON',
  'a:b',
  '~',
  '#',
  '%00',
];

export const nameChecks: readonly Check[] = [
  look.must('found', 'What was made is found, with its attributes', '3.3.3', async (place) => {
    const handle = await place.file('file');
    const found = await place.session.ok(lookup, { directory: place.directory, name: named('file') });
    same(found.handle, handle, 'its handle');
    if (found.after !== undefined) same(found.after, await place.attributes(handle), 'its attributes');
  }),
  look.should('attributes', 'The reply has the attributes of the file and of the directory', '3.3.3', async (place) => {
    await place.file('file');
    const found = await place.session.ok(lookup, { directory: place.directory, name: named('file') });
    expect(found.after !== undefined, 'those of the file are not there');
    expect(found.directoryAfter !== undefined, 'those of the directory are not there');
  }),
  look.must('missing', 'What is not there is NOENT', '3.3.3', async (place) => {
    await place.session.fails(lookup, { directory: place.directory, name: named('none') }, status.notFound);
  }),
  look.should('missing-attributes', 'Also then the directory’s attributes are told', '3.3.3', async (place) => {
    const args = { directory: place.directory, name: named('none') };
    const { directoryAfter } = await place.session.fails(lookup, args, status.notFound);
    expect(directoryAfter !== undefined, 'they are not there');
  }),
  look.must('dot', '`.` is the directory itself, and `..` the one that it is in', '3.3.3', async (place) => {
    const handle = await place.makeDirectory('inner');
    const self = await place.session.ok(lookup, { directory: handle, name: named('.') });
    same(self.handle, handle, 'the handle of `.`');
    const above = await place.session.ok(lookup, { directory: handle, name: named('..') });
    same(above.handle, place.directory, 'the handle of `..`');
  }),
  look.must('not-a-directory', 'In a file nothing is looked up: NOTDIR', '3.3.3', async (place) => {
    const handle = await place.file();
    await place.session.fails(lookup, { directory: handle, name: named('x') }, status.notDirectory);
  }),
  look.must('long', 'A name of 255 bytes is taken, and a longer one is NAMETOOLONG', '3.3.3', async (place) => {
    const most = place.facts.limits.mostNameBytes;
    const name = 'n'.repeat(most);
    same(
      await place.lookup(name, await place.file(name).then(() => place.directory)),
      await place.lookup(name),
      'its handle',
    );
    const args = { directory: place.directory, name: named(`${name}n`) };
    await place.session.fails(lookup, args, status.nameTooLong);
  }),
  look.must('empty', 'An empty name is none', '3.3.3', async (place) => {
    const args = { directory: place.directory, name: named('') };
    await place.session.fails(lookup, args, status.invalid, status.notFound, status.access);
  }),
  look.must('odd', 'Any bytes but `/` and zero are a name', '3.2', async (place) => {
    for (const name of oddNames) await place.file(name);
    for (const name of oddNames) expect(await place.isThere(name), `'${name}' is not found`);
    same((await place.list()).toSorted(), oddNames.toSorted(), 'what is listed');
  }),
  look.must('case', 'Names of other case are other names, unless PATHCONF says otherwise', '3.3.20', async (place) => {
    if (place.facts.limits.caseInsensitive) return 'the server says that case does not matter';
    await place.file('name');
    expect(!(await place.isThere('NAME')), 'NAME is found where name was made');
    return undefined;
  }),
  look.must('not-utf8', 'Names that are not UTF-8 are kept as they are, or refused', '3.2', async (place) => {
    const name = Buffer.from('c328ff', 'hex');
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    const made = await place.session.call(procedures.create, { directory: place.directory, name, how });
    if (made.status !== status.ok) return `it is refused: ${made.status}`;
    await place.session.ok(lookup, { directory: place.directory, name });
    return undefined;
  }),
  look.should('slash', 'A name with a `/` is none', '3.2', async (place) => {
    await place.makeDirectory('a');
    const args = { directory: place.directory, name: named('a/b') };
    await place.session.fails(lookup, args, status.notFound, status.invalid, status.access);
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    await place.session.fails(procedures.create, { ...args, how }, status.invalid, status.access, status.notFound);
  }),
  look.should('zero', 'A name with a zero byte is none', '3.2', async (place) => {
    const args = { directory: place.directory, name: named('a\0b') };
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    await place.session.fails(procedures.create, { ...args, how }, status.invalid, status.access);
    expect(!(await place.isThere('a')), 'what is before the zero was made');
  }),
  readLink.must('text', 'The text of a link comes as it was given', '3.3.5', async (place) => {
    for (const [at, text] of ['x', '/abs/path', '../up', 'ä', ' ', 'a'.repeat(1000)].entries()) {
      const args = { directory: place.directory, name: named(`link${at}`), attributes: nothingSet, text: named(text) };
      const handle = await place.made(place.session.ok(procedures.makeLink, args), `link${at}`);
      const found = await place.session.ok(procedures.readLink, { handle });
      same(Buffer.from(found.text).toString(), text, 'its text');
      same((await place.attributes(handle)).sizeBytes, Buffer.byteLength(text), 'its size');
    }
  }),
  readLink.must('not-a-link', 'A file or a directory has no text: INVAL', '3.3.5', async (place) => {
    await place.session.fails(procedures.readLink, { handle: await place.file() }, status.invalid, status.notSupported);
    await place.session.fails(procedures.readLink, { handle: place.directory }, status.invalid, status.notSupported);
  }),
  readLink.must('type', 'It is a link, whatever it leads to', '3.3.10', async (place) => {
    const args = { directory: place.directory, name: named('link'), attributes: nothingSet, text: named('nowhere') };
    const handle = await place.made(place.session.ok(procedures.makeLink, args), 'link');
    same((await place.attributes(handle)).type, fileType.link, 'its type');
  }),
];
