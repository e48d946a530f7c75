import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { isClient, parseClient, plainAddress, ruleFor } from './client-pattern.ts';
import { clientText, defaultRules, parseClients, parseExports } from './parse-exports.ts';

const client = (address: string, ...names: string[]) => ({ address, names });
const isInvalid = { instanceOf: AshlarError } as const;

test('a file of exports is read as exportfs reads it', (t) => {
  const exports = parseExports(
    [
      '# a comment',
      '',
      '/home  10.0.0.0/8(rw,no_root_squash) vm1(ro)',
      '"/with blanks" *.example.org(async,insecure)',
      '/octal\\040name -rw,sync \\',
      '   192.168.1.0/255.255.255.0 host(ro) # and a comment',
      '/public',
      '/all (rw,all_squash,anonuid=1000,anongid=-2)',
    ].join('\n'),
  );
  t.deepEqual(
    exports.map(({ clients, line, path }) => [line, path, clients.map((each) => each.client.text)]),
    [
      [3, '/home', ['10.0.0.0/8', 'vm1']],
      [4, '/with blanks', ['*.example.org']],
      [5, '/octal name', ['192.168.1.0/255.255.255.0', 'host']],
      [7, '/public', ['*']],
      [8, '/all', ['*']],
    ],
  );
  const rules = (at: number, which = 0) => exports[at]!.clients[which]!.rules;
  t.deepEqual(rules(0), { ...defaultRules, readOnly: false, squash: { ...defaultRules.squash, who: 'none' } });
  t.deepEqual(rules(0, 1), defaultRules);
  t.deepEqual(rules(1), { ...defaultRules, sync: false, secure: false });
  t.deepEqual([rules(2).readOnly, rules(2, 1).readOnly], [false, true]);
  t.deepEqual(rules(4).squash, { who: 'all', anonymousUid: 1000, anonymousGid: 0xffff_fffe });
});

test('access control lists are told where they are not hidden', (t) => {
  const acls = (options: string) => parseExports(`/a *(${options})`)[0]!.clients[0]!.rules.acls;
  t.deepEqual(['rw', 'rw,acl', 'no_acl', 'no_acl,acl'].map(acls), [true, true, false, true]);
});

test('what cannot be meant is refused, with its line', (t) => {
  for (const [text, sentence] of [
    ['home *(rw)', /line 1 .*'home' is no path/],
    ['\n/a *(rw,nonsense)', /line 2 .*'nonsense' is not known/],
    ['/a @group(rw)', /line 1 .*netgroup/],
    ['/a 10.0.0.0/33', /line 1 .*no network/],
    ['/a 10.0.0.0/255.0.255.0', /line 1 .*no network/],
    ['/a h(rw', /line 1 .*no client with its options/],
    ['/a *\n/a *', /line 2 .*'\*' is named twice for '\/a'/],
    ['/a h[9-0]', /line 1 .*goes backwards/],
    [`/a ${'h'.repeat(256)}`, /line 1 .*at most 255/],
    ['/a *(sec=krb5p)', /line 1 .*'sec=krb5p' is not known here: clients say who calls/],
    ['/a *(anonuid=x)', /line 1 .*'anonuid=x' is not known/],
  ] as const) {
    t.regex(t.throws(() => parseExports(text), isInvalid)!.message, sentence, text);
  }
});

test('lines of one path are one export', (t) => {
  const [only, ...others] = parseExports('/a h1(rw)\n/a h2(ro) \\\n h3');
  t.deepEqual(others, []);
  t.deepEqual(
    only!.clients.map(({ client: { text }, rules }) => [text, rules.readOnly]),
    [
      ['h1', false],
      ['h2', true],
      ['h3', true],
    ],
  );
});

test('clients with their rules are read from one text, and written as exportfs writes them', (t) => {
  const clients = parseClients('10.0.0.0/8(rw,no_root_squash) -async vm*(all_squash,anonuid=7) *');
  t.deepEqual(
    clients.map(({ client: { text }, rules }) => clientText({ client: text, rules })),
    [
      '10.0.0.0/8(sync,rw,secure,no_root_squash,no_all_squash)',
      'vm*(async,ro,secure,root_squash,all_squash,anonuid=7)',
      '*(async,ro,secure,root_squash,no_all_squash)',
    ],
  );
  t.deepEqual(
    parseClients(clients.map(({ client: { text }, rules }) => clientText({ client: text, rules })).join(' ')),
    clients,
  );
  t.is(t.throws(() => parseClients('* *'), isInvalid)!.message, "'*' is named twice");
  t.is(t.throws(() => parseClients('a(b)'), isInvalid)!.message, "the option 'b' is not known here");
});

test('a client is one by its address, its network, or a name that leads to it', (t) => {
  t.true(isClient(parseClient('10.1.2.3'), client('10.1.2.3')));
  t.true(isClient(parseClient('10.1.2.3'), client('::ffff:10.1.2.3')));
  t.false(isClient(parseClient('10.1.2.3'), client('10.1.2.4')));
  t.true(isClient(parseClient('10.0.0.0/8'), client('10.255.0.1')));
  t.false(isClient(parseClient('10.0.0.0/8'), client('11.0.0.1')));
  t.true(isClient(parseClient('fd00::/8'), client('fd12::1')));
  t.false(isClient(parseClient('fd00::/8'), client('10.0.0.1')));
  t.true(isClient(parseClient('vm1.example.org'), client('10.0.0.1', 'VM1.example.org')));
  t.true(isClient(parseClient('vm?.*.org'), client('10.0.0.1', 'vm7.example.org')));
  t.true(isClient(parseClient('*.org'), client('10.0.0.1', 'a.b.org')));
  t.false(isClient(parseClient('*.org'), client('10.0.0.1', 'a.b.organ')));
  t.true(isClient(parseClient('vm[0-9].[!xy]*c*.org'), client('10.0.0.1', 'vm1.abcd.org')));
  t.false(isClient(parseClient('vm[0-9].[!xy]*c*.org'), client('10.0.0.1', 'vm1.xbcd.org')));
  t.false(isClient(parseClient('vm[0-9].org'), client('10.0.0.1', 'vma.org')));
  t.true(isClient(parseClient('*'), client('unix')));
  t.false(isClient(parseClient('0.0.0.0/0'), client('unix')));
  t.is(plainAddress('::1'), '::1');
});

test('the rule of a host comes before that of a network, and everybody’s is the last', (t) => {
  const rules = ['*', '*.org', '10.0.0.0/8', '10.0.0.1'].map((text) => ({ client: parseClient(text) }));
  t.is(ruleFor(rules, client('10.0.0.1', 'a.org'))?.client.text, '10.0.0.1');
  t.is(ruleFor(rules, client('10.0.0.2', 'a.org'))?.client.text, '10.0.0.0/8');
  t.is(ruleFor(rules, client('11.0.0.2', 'a.org'))?.client.text, '*.org');
  t.is(ruleFor(rules, client('11.0.0.2'))?.client.text, '*');
  t.is(ruleFor(rules.slice(2), client('11.0.0.2')), undefined);
});
