/**
 * Debian's etcdctl, command by command with its flags, over real etcd and over ours, both new: it must print the same
 * and end the same. What two etcds never have in common (IDs, sizes, terms, times) is masked.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isRealEtcdInstalled, startOurEtcd, startRealEtcd } from './etcd-processes.ts';
import type { RunningEtcd } from './etcd-suite.ts';

const isMissing = spawnSync('etcdctl', ['version']).status !== 0;
if (isMissing && process.env['CI'] === 'true') throw new Error('etcdctl is missing: install etcd-client');

const env = { ...process.env, ETCDCTL_API: '3' };
const commandMs = 30_000;

interface Ended {
  status: number | null;
  out: string;
  err: string;
}

function etcdctl(etcd: RunningEtcd, args: readonly string[], input?: string): Promise<Ended> {
  const child = spawn('etcdctl', [`--endpoints=${etcd.endpoint}`, ...args], { env });
  const result: Ended = { status: null, out: '', err: '' };
  child.stdout.on('data', (piece: Buffer) => {
    result.out += piece.toString('latin1');
  });
  child.stderr.on('data', (piece: Buffer) => {
    result.err += piece.toString('latin1');
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), commandMs);
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((resolve) => {
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ ...result, status });
    });
  });
}

/** What differs between any two etcds. */
function masked(text: string): string {
  return text
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'URL')
    .replace(/http:\/\/localhost:2380/g, 'URL')
    .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replace(/"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash)":\d+/g, '"$1":N')
    .replace(/"(RaftTerm|DBSize|RaftIndex|RaftAppliedIndex|Hash)" : \d+/g, '"$1" : N')
    .replace(/\b\d{15,}\b/g, 'ID')
    .replace(/\b[0-9a-f]{14,16}\b/g, 'ID')
    .replace(/took = [\d.]+[mµ]?s/g, 'took = T')
    .replace(/took: [\d.]+[mµ]?s/g, 'took: T')
    .replace(/^\{"level":"warn".*"retrying of unary invoker failed".*\n/gm, '')
    .replace(/"ts":"[^"]*"/g, '"ts":T')
    .replace(/remaining\(\d+s\)/g, 'remaining(N)')
    .replace(/"ttl":\d+/g, '"ttl":N')
    .replace(/"took":"[^"]*"/g, '"took":T')
    .replace(/"3\.[45]\.\d+"/g, '"VERSION"')
    .replace(/-{5,}/g, '-----')
    .replace(/ {2,}/g, '  ');
}

/** A command; a placeholder `LEASE` is the lease that was granted last. */
interface Step {
  args: string[];
  input?: string;
}
const step = (line: string, input?: string): Step => ({
  args: line.split(' ').map((word) => (word === "''" ? '' : word)),
  ...(input !== undefined && { input }),
});

/** Each its own test; they build on each other, so their order matters. */
const scripts: [string, Step[]][] = [
  [
    'put',
    [
      step('put /k/a one'),
      step('put /k/b two'),
      step('put /k/c three -w json'),
      step('put /k/d', 'from standard input'),
      step('put /k/a uno --prev-kv'),
      step('put /k/a eins --prev-kv -w fields'),
      step('put /k/a --ignore-value'),
      step('put /none --ignore-value'),
      step("put '' x"),
      step('put /k/z x --lease=1234'),
      step('put /k/b zwei --ignore-lease'),
      step('put /binary \u0001\u00ff'),
    ],
  ],
  [
    'get',
    [
      step('get /k/a'),
      step('get /none'),
      step('get /k/ --prefix'),
      step('get /k/b --from-key'),
      step('get /k/b /k/d'),
      step('get /k/d /k/b'),
      step('get /k/ --prefix --keys-only'),
      step('get /k/ --prefix --print-value-only'),
      step('get /k/ --prefix --count-only -w fields'),
      step('get /k/ --prefix --limit=2'),
      step('get /k/ --prefix --limit=2 -w json'),
      step('get /k/a --rev=2'),
      step('get /k/ --prefix --rev=4'),
      step('get /k/a --rev=4000'),
      step('get /k/ --prefix --consistency=s'),
      step('get /k/ --prefix --consistency=l'),
      step('get /k/ --prefix --consistency=x'),
      step('get /k/a -w json'),
      step('get /k/a -w fields'),
      step('get /k/a -w table'),
      step('get /k/a --hex'),
      step('get /binary'),
      ...['CREATE', 'KEY', 'MODIFY', 'VALUE', 'VERSION'].flatMap((target) =>
        ['ASCEND', 'DESCEND'].map((order) => step(`get /k/ --prefix --sort-by=${target} --order=${order}`)),
      ),
      step('get /k/ --prefix --sort-by=VALUE --order=DESCEND --limit=1 --keys-only'),
      step('get /k/ --prefix --sort-by=NONE'),
      step('get /k/ --prefix --from-key'),
      step("get ''"),
      step("get '' --prefix --keys-only"),
      step("get '' --from-key --count-only -w json"),
    ],
  ],
  [
    'del',
    [
      step('put /d/a 1'),
      step('put /d/b 2'),
      step('put /d/c 3'),
      step('del /d/a --prev-kv'),
      step('del /d/none'),
      step('del /d/ --prefix --prev-kv -w json'),
      step('put /zz/a 1'),
      step('del /zz --from-key -w fields'),
      step("del ''"),
    ],
  ],
  [
    'txn',
    [
      step('put /t 1'),
      step('txn', 'value("/t") = "1"\n\nput /t 2\nget /t\n\nput /t wrong\n\n'),
      step('txn', 'version("/t") > "9"\ncreate("/t") = "0"\n\nput /t wrong\n\ndel /t\nget /t\n\n'),
      step('txn -w json', 'mod("/none") = "0"\n\nput /t "with space"\n\n\n\n'),
      step('txn -i', 'val("/t") = "no"\n\nput /t wrong\n\nget /t\n\n'),
      step('txn', '\n\n\n'),
    ],
  ],
  [
    'compaction',
    [
      step('put /c 1'),
      step('put /c 2'),
      step('put /c 3'),
      step('compaction 5'),
      step('compaction 5'),
      step('compaction 8 --physical'),
      step('compaction 9999'),
      step('get /k/a --rev=4'),
      step('get /k/ --prefix --rev=8 --keys-only'),
      step('defrag'),
      step('get /c'),
    ],
  ],
  [
    'lease',
    [
      step('lease grant 60'),
      step('put /l/a 1 --lease=LEASE'),
      step('put /l/b 1 --lease=LEASE'),
      step('put /l/b 2 --ignore-lease'),
      step('lease timetolive LEASE'),
      step('lease timetolive LEASE --keys'),
      step('lease timetolive LEASE --keys -w json'),
      step('lease keep-alive --once LEASE'),
      step('lease list'),
      step('get /l/a -w fields'),
      step('put /l/a kept'),
      step('lease revoke LEASE'),
      step('lease revoke LEASE'),
      step('get /l/ --prefix'),
      step('lease timetolive LEASE'),
      step('lease keep-alive LEASE'),
      step('lease list'),
      step('lease grant 1'),
      step('lease grant 99999999999'),
    ],
  ],
  [
    'lock and elect',
    [
      step('lock /lock true'),
      step('lock /lock --ttl 5 echo held'),
      step('lock /lock false'),
      step('lock /lock sh -c exit$IFS$9'),
      step('get /lock --prefix'),
    ],
  ],
  [
    'members, endpoints, alarms',
    [
      step('member list'),
      step('member list -w json'),
      step('member list -w table'),
      step('member remove 5'),
      step('member update 5 --peer-urls=http://127.0.0.1:1'),
      step('member promote 5'),
      step('move-leader 5'),
      step('endpoint health'),
      step('endpoint health -w json'),
      step('endpoint health --cluster'),
      step('endpoint status -w json'),
      step('endpoint status -w fields'),
      step('endpoint status --cluster -w json'),
      step('endpoint hashkv -w json'),
      step('endpoint hashkv --rev=9 -w json'),
      step('endpoint hashkv --rev=2 -w json'),
      step('endpoint hashkv --cluster -w json'),
      step('alarm list'),
      step('alarm disarm'),
      step('auth disable'),
      step('auth enable'),
      step('user list'),
      step('role list'),
      step('user get nobody'),
      step('role get nobody'),
      step('user delete nobody'),
      step('role delete nobody'),
      step('--user=root:pw get /k/a'),
    ],
  ],
];

describe('etcdctl: the same over both', {
  skip: (isMissing || !isRealEtcdInstalled()) && 'etcd or etcdctl is not installed (Debian: etcd-server, etcd-client)',
}, () => {
  let both: [real: RunningEtcd, ours: RunningEtcd];
  before(async () => {
    both = await Promise.all([startRealEtcd(), startOurEtcd()]);
  });
  after(() => Promise.all((both ?? []).map((etcd) => etcd.stop())));

  for (const [name, steps] of scripts) {
    test(`etcdctl: ${name}`, async () => {
      const leases = ['', ''];
      for (const { args, input } of steps) {
        const [real, ours] = await Promise.all(
          both.map(async (etcd, i) => {
            const own = args.map((arg) => arg.replace('LEASE', leases[i]!));
            const ended = await etcdctl(etcd, own, input);
            const granted = /lease (\w+) granted/.exec(ended.out);
            if (granted) leases[i] = granted[1]!;
            return { status: ended.status, out: masked(ended.out), err: masked(ended.err) };
          }),
        );
        assert.deepEqual(ours, real, args.join(' '));
      }
    });
  }

  /** Runs it until its output has as many lines, lets `during` happen, and ends it. */
  async function following(
    etcd: RunningEtcd,
    args: string[],
    lines: number,
    during: () => Promise<unknown>,
    input = '',
  ) {
    const child = spawn('etcdctl', [`--endpoints=${etcd.endpoint}`, ...args], { env });
    let out = '';
    const enough = Promise.withResolvers<void>();
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString('latin1');
      if (out.split('\n').length > lines) enough.resolve();
    });
    const timer = setTimeout(() => enough.reject(new Error(`${args.join(' ')}: only\n${out}`)), commandMs);
    try {
      if (input) child.stdin.write(input);
      await during();
      await enough.promise;
    } finally {
      clearTimeout(timer);
      child.kill('SIGKILL');
    }
    return masked(out);
  }

  const changes = async (etcd: RunningEtcd) => {
    const { out } = await etcdctl(etcd, ['get', '/none', '-w', 'json']);
    const revision = JSON.parse(out).header.revision + 1;
    await etcdctl(etcd, ['put', '/w/a', '1']);
    await etcdctl(etcd, ['put', '/w/a', '2']);
    await etcdctl(etcd, ['del', '/w/a']);
    await etcdctl(etcd, ['put', '/w/b', '3']);
    return revision;
  };
  const watches: [string, (revision: number) => string[], number, string?][] = [
    ['from a revision', (r) => ['watch', '/w/', '--prefix', `--rev=${r}`], 12],
    ['with what was before', (r) => ['watch', '/w/', '--prefix', '--prev-kv', `--rev=${r}`], 15],
    ['one key', (r) => ['watch', '/w/b', `--rev=${r}`, '-w=fields'], 8],
    ['a range', (r) => ['watch', '/w/a', '/w/b', `--rev=${r}`], 9],
    ['as JSON', (r) => ['watch', '/w/', '--prefix', `--rev=${r + 3}`, '-w=json'], 1],
    [
      'a command per event',
      (r) => ['watch', '/w/a', `--rev=${r}`, '--', 'sh', '-c', 'echo $ETCD_WATCH_EVENT_TYPE'],
      12,
    ],
    ['interactive', () => ['watch', '-i'], 3],
    ['from the compacted past', () => ['watch', '/w/', '--prefix', '--rev=2'], 0],
  ];
  for (const [name, args, lines] of watches) {
    test(`etcdctl: watch: ${name}`, async () => {
      const seen = await Promise.all(
        both.map(async (etcd) => {
          const revision = await changes(etcd);
          if (lines === 0) {
            const { status, out, err } = await etcdctl(etcd, args(revision));
            return `${status} ${masked(out)} ${masked(err)}`;
          }
          const input = name === 'interactive' ? `watch /w/b --rev=${revision}\n` : '';
          return following(etcd, args(revision), lines, async () => {}, input);
        }),
      );
      assert.equal(seen[1], seen[0]);
    });
  }

  test('etcdctl: elect: campaign and listen', async () => {
    const seen = await Promise.all(
      both.map(async (etcd) => {
        const campaign = spawn('etcdctl', [`--endpoints=${etcd.endpoint}`, 'elect', '/e', 'someone'], { env });
        try {
          return await following(etcd, ['elect', '/e', '--listen'], 2, async () => {});
        } finally {
          campaign.kill('SIGKILL');
        }
      }),
    );
    assert.equal(seen[1], seen[0]);
    assert.match(seen[1]!, /someone/);
  });

  test('etcdctl: make-mirror: from ours into the real one', async () => {
    const [real, ours] = both;
    await etcdctl(ours, ['put', '/m/a', 'mirrored']);
    const mirror = spawn('etcdctl', [`--endpoints=${ours.endpoint}`, 'make-mirror', '--prefix=/m/', real.endpoint], {
      env,
    });
    try {
      const until = Date.now() + commandMs;
      await etcdctl(ours, ['put', '/m/b', 'later']);
      for (;;) {
        const { out } = await etcdctl(real, ['get', '/m/', '--prefix']);
        if (out === '/m/a\nmirrored\n/m/b\nlater\n') break;
        assert.ok(Date.now() < until, out);
      }
    } finally {
      mirror.kill('SIGKILL');
    }
  });

  test('etcdctl: snapshot save: whole, by its own sum', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'etcdctl-'));
    try {
      for (const etcd of both) {
        const file = join(dir, new URL(etcd.endpoint).port);
        const { status, out } = await etcdctl(etcd, ['snapshot', 'save', file]);
        assert.equal(status, 0);
        assert.match(out, /Snapshot saved at/);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('etcdctl: refusals that are ours: a second member, users, roles', async () => {
    const [, ours] = both;
    const cases: [string[], RegExp][] = [
      [['member', 'add', 'x', '--peer-urls=http://127.0.0.1:1'], /the embedded store has one member; use real etcd/],
      [['user', 'add', 'someone:password'], /the embedded store has no users and roles; let clients in by certificate/],
      [['role', 'add', 'some'], /the embedded store has no users and roles/],
    ];
    for (const [args, message] of cases) {
      const { status, err } = await etcdctl(ours, args);
      assert.notEqual(status, 0);
      assert.match(err, message);
    }
  });
});
