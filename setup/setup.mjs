/**
 * Makes a checkout ready: dependencies (Node 26 among them), the bundle, and with `--tests` the real programs that the
 * tests drive. Runs on any Node ≥ 20 without node_modules; does nothing that is already done.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const major = Number(process.versions.node.split('.')[0]);
if (major < 20) fail(`Node ${process.versions.node} is too old to set evenkeel up: use Node 20 or newer`);

installDependencies();
const node = join(root, 'node_modules', '.bin', 'node');
execFileSync(node, [join(root, 'setup', 'bundle.mjs')], { stdio: 'inherit' });
if (process.argv.includes('--tests')) {
  execFileSync(node, [join(root, 'setup', 'test-programs.mjs')], { stdio: 'inherit' });
}

/** `npm ci` when the lock file, the platform or the place changed since it last ran. */
function installDependencies() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).update(`${process.platform} ${process.arch} ${root}`).digest('hex');
  const stamp = join(root, 'node_modules', '.evenkeel-setup');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write('setting up: installing dependencies (once) …\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  try {
    execFileSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch {
    fail('npm ci failed: look at its lines above; it needs the npm registry');
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, wanted);
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}
