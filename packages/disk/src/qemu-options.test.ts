import { failsWith } from '@ashlar/testing';
import test from 'ava';
import { parseFields, parseQemuOptions } from './qemu-options.ts';

test('fields are parted by commas, two of which are one in a value, and of two of a name the last one counts', (t) => {
  t.deepEqual(
    [...parseFields('a=1,b=x,,y=z,c=,a=2')],
    [
      ['a', '2'],
      ['b', 'x,y=z'],
      ['c', ''],
    ],
  );
  t.deepEqual(
    [...parseFields('a=x,,,b=,,')],
    [
      ['a', 'x,'],
      ['b', ','],
    ],
  );
});

test('a file is named with its format, or to be looked at', (t) => {
  for (const [text, name, format] of [
    ['driver=qcow2,file.filename=a.qcow2', 'a.qcow2', 'qcow2'],
    ['file.driver=file,file.filename=/x/a b', '/x/a b', undefined],
    ['driver=file,filename=a.qcow2', 'a.qcow2', 'raw'],
    ['driver=host_device,filename=/dev/sdz,cache.direct=on', '/dev/sdz', 'raw'],
    ['driver=raw,file.driver=host_device,file.filename=/dev/sdz,file.aio=native', '/dev/sdz', 'raw'],
    ['driver=raw,file.filename=nbd://host/x', './nbd://host/x', 'raw'],
  ] as const) {
    t.deepEqual(parseQemuOptions(text), { name, format }, text);
  }
});

test('an export is named by its server, in the new words and in the old ones', (t) => {
  for (const [text, name, format] of [
    ['driver=nbd,server.type=inet,server.host=::1,server.port=1,export=a/b', 'nbd://[::1]:1/a%2Fb', undefined],
    ['driver=nbd,host=there', 'nbd://there:10809/', undefined],
    ['driver=nbd,path=/run/a b', 'nbd+unix:///?socket=%2Frun%2Fa%20b', undefined],
    [
      'driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=/s,file.export=é',
      'nbd+unix:///%C3%A9?socket=%2Fs',
      'raw',
    ],
  ] as const) {
    t.deepEqual(parseQemuOptions(text), { name, format }, text);
  }
});

test('what names none, or says what is not known, is refused', async (t) => {
  for (const text of ['', 'a.qcow2', 'driver=qcow2', 'driver=nbd,export=x', 'file.filename=', 'driver=file']) {
    await failsWith(t, 'invalid', () => parseQemuOptions(text));
  }
  for (const text of [
    'driver=vmdk,file.filename=a',
    'driver=qcow2,filename=a',
    'driver=raw,size=512,file.filename=a',
    'driver=qcow2,file.filename=a,backing.driver=raw',
    'driver=nbd,host=a,tls-creds=b',
  ]) {
    await failsWith(t, 'unsupported', () => parseQemuOptions(text));
  }
});
