/** Keeps the rooms of ARCHITECTURE.md: who may import whom, no barrels, no rooms of leftovers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const mayImport: Record<string, readonly string[]> = {
  base: [],
  os: ['base'],
  etcd: ['base'],
  loadbalancer: ['base'],
  apimachinery: ['base'],
  apis: ['base', 'apimachinery'],
  store: ['base', 'etcd'],
  storage: ['base', 'apimachinery', 'etcd'],
  client: ['base', 'apimachinery', 'apis'],
  apiserver: ['base', 'apimachinery', 'apis', 'storage', 'client'],
  scheduler: ['base', 'apimachinery', 'apis', 'client'],
  controllers: ['base', 'apimachinery', 'apis', 'client'],
  kubelet: ['base', 'os', 'apimachinery', 'apis', 'client'],
  controlplane: ['base', 'os', 'apimachinery', 'apis', 'client', 'etcd'],
  checks: ['base', 'apimachinery', 'apis', 'client'],
  drills: ['base', 'apimachinery', 'apis', 'client', 'checks'],
  cli: ['base', 'apimachinery', 'apis', 'client'],
};
/** Rooms whose folders are siblings that never import each other. */
const siblingRooms = ['controllers', 'scheduler/plugins', 'apiserver/filters', 'apiserver/admission/plugins'];
const forbiddenNames = /(^|\/)(utils?|helpers?|common|misc|types|index)(\.ts|\/|$)/;
/** Time, processes, files and sockets are for src/os; a test may use what it likes. */
const realWorld =
  /(?<!\.)\b(setTimeout|setInterval|setImmediate)\(|\bDate\.now\(\)|\bnew Date\(\)|\bMath\.random\(\)|performance\.now\(\)/;

const root = join(import.meta.dirname, '..');
const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((e) => e.isFile() && e.name.endsWith('.ts'))
  .map((e) => join(e.parentPath, e.name).slice(root.length + 1));
const sources = new Map(files.map((f) => [f, readFileSync(join(root, f), 'utf8')]));
const isTest = (file: string) => /\.(test|bench)\.ts$/.test(file) || file.includes('/testing/');

export function roomOf(file: string): string {
  return file.split('/')[1]!;
}

export function importsOf(source: string): string[] {
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1]!);
}

test('rooms: imports: only where the table allows', () => {
  const bad: string[] = [];
  for (const [file, source] of sources) {
    if (isTest(file)) continue;
    const room = roomOf(file);
    const allowed = mayImport[room];
    if (!allowed) {
      bad.push(`${file}: '${room}' is not a room`);
      continue;
    }
    for (const target of importsOf(source)) {
      const room2 = target.startsWith('#') ? target.slice(1).split('/')[0]! : undefined;
      if (room2 && room2 !== room && !allowed.includes(room2)) bad.push(`${file}: ${room} may not import ${target}`);
      if (target.startsWith('.') && join(file, '..', target).split('/')[1] !== room)
        bad.push(`${file}: leave a room by its # name: ${target}`);
    }
  }
  assert.deepEqual(bad, []);
});

test('rooms: the real clock: only bin hands it out', () => {
  const bad = [...sources].filter(([file, source]) => !isTest(file) && importsOf(source).includes('#os/real-clock.ts'));
  assert.deepEqual(
    bad.map(([file]) => file),
    [],
  );
});

test('rooms: siblings: never import each other', () => {
  const bad: string[] = [];
  for (const [file, source] of sources) {
    const room = siblingRooms.find((r) => file.startsWith(`src/${r}/`));
    if (!room || isTest(file)) continue;
    const own = file.slice(`src/${room}/`.length).split('/')[0]!;
    if (!file.slice(`src/${room}/`.length).includes('/') && room === 'controllers') continue;
    for (const target of importsOf(source)) {
      const path = target.startsWith('#')
        ? `src/${target.slice(1)}`
        : target.startsWith('.')
          ? join(file, '..', target)
          : '';
      if (!path.startsWith(`src/${room}/`)) continue;
      const rest = path.slice(`src/${room}/`.length);
      const other = rest.split('/')[0]!;
      if (rest.includes('/') && other !== own) bad.push(`${file} imports its sibling ${target}`);
    }
  }
  assert.deepEqual(bad, []);
});

test('rooms: names: no utils, no barrels', () => {
  assert.deepEqual(
    files.filter((f) => forbiddenNames.test(f)),
    [],
  );
});

test('rooms: the real world: only os touches the clock and chance', () => {
  const bad = [...sources]
    .filter(([f]) => !isTest(f) && roomOf(f) !== 'os')
    .flatMap(([f, s]) =>
      s
        .split('\n')
        .map((line, i) => ({ line, at: `${f}:${i + 1}` }))
        .filter(({ line }) => realWorld.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line))
        .map(({ line, at }) => `${at}: ${line.trim()}`),
    );
  assert.deepEqual(bad, []);
});

test('rooms: the checker: catches a planted breach', () => {
  assert.deepEqual(importsOf("import { x } from '#store/y.ts';\nawait import('#etcd/z.ts');"), [
    '#store/y.ts',
    '#etcd/z.ts',
  ]);
  assert.equal(roomOf('src/apiserver/request.ts'), 'apiserver');
  assert.match('const t = Date.now();', realWorld);
});
