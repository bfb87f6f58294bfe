/** Bundles bin/ into dist/ for a fast start: few files to open, types stripped ahead. Skipped when nothing changed. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const stamp = join(root, 'dist', '.stamp');
const state = fingerprint(['src', 'bin', 'setup', 'package-lock.json', 'package.json']);
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state) process.exit(0);

/**
 * Node's own modules come by require(). An ES import reads every export of theirs at once, and some are made when they
 * are read: that of node:http loads a whole web client, that of node:tls writes out all root certificates. It was half
 * of the time to start, and several megabytes, in every process.
 */
const builtinsByRequire = {
  name: 'builtins-by-require',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}');`,
    }));
  },
};

const { build } = await import('esbuild');
rmSync(join(root, 'dist'), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'bin/evenkeel.ts', out: 'bin/evenkeel' },
    // The library: what package.json exports.
    { in: 'src/drills/model/checker.ts', out: 'drills/checker' },
    { in: 'src/drills/model/recorder.ts', out: 'drills/recorder' },
  ],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  // Facts stay JSON files: the engine parses JSON faster than code, and only who needs one loads it.
  loader: { '.json': 'copy' },
  assetNames: 'facts/[name]-[hash]',
  chunkNames: 'chunks/[name]-[hash]',
  // Its CommonJS build, which Node would take, has no named exports for a dynamic import of a bundle.
  alias: { yaml: join(root, 'node_modules', 'yaml', 'browser', 'index.js') },
  // CommonJS packages inside an ES module still say require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
  plugins: [builtinsByRequire],
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
});
writeFileSync(stamp, state);

/** Names, sizes and times of all the sources. */
function fingerprint(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const full = join(root, path);
    const files = statSync(full).isDirectory()
      ? readdirSync(full, { recursive: true, withFileTypes: true })
          .filter((e) => e.isFile() && !e.name.endsWith('.test.ts'))
          .map((e) => join(e.parentPath, e.name))
          .sort()
      : [full];
    for (const file of files) {
      const { size, mtimeMs } = statSync(file);
      hash.update(`${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}
