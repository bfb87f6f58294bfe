/**
 * The conductor of `evenkeel up`: data directory, ports, PKI, manifests; then the store, and the kubelets, which start
 * everything else; then it waits until the control plane answers, and keeps the processes it started itself running.
 *
 * What may be lost when this process is killed: nothing but the supervision. The next `up` ends the store and kubelets
 * it left behind and starts them anew; the masters' pods run on and are adopted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { ApiClient } from '#client/client.ts';
import type { ProcessIdentity } from '#os/process-identity.ts';
import { ensureAddons } from './addons.ts';
import {
  claim,
  type DataDir,
  openDataDir,
  readRunRecord,
  readState,
  removeRunRecord,
  writeAtomically,
  writeRunRecord,
  writeState,
} from './data-dir.ts';
import { HostProcess } from './host-process.ts';
import { writeKubeconfigs } from './kubeconfig-file.ts';
import { endLeftovers, endPods, isEmpty, leavePodsToSuccessors, leftoversIn } from './leftovers.ts';
import { authenticationConfig, manifestsOf, type Program } from './manifests.ts';
import { isPkiComplete } from './pki.ts';
import { poll, type WaitOptions, waitForApiServers, waitForLeaders, waitForNodes, waitForReady } from './readiness.ts';
import { assertPortsFree, type ControlPlaneSpec, chooseSpec, type MasterSpec } from './spec.ts';
import { waitForQuorum } from './store-health.ts';
import { assertMajorityKeepsData, findEtcd, type StoreProcess, storeProcesses } from './store-processes.ts';
import { planStore, type StoreWanted, storeOf } from './store-spec.ts';
import { removeSurplusNodes } from './surplus-nodes.ts';

export interface UpOptions {
  dataDir: string;
  /** Undefined: as it was kept, else the default. */
  port: number | undefined;
  masters: number | undefined;
  nodes: number | undefined;
  store: StoreWanted;
  program: Program;
  /** Bound on the whole start. */
  timeoutMs: number;
}

export interface UpEnvironment {
  clock: Clock;
  random: () => number;
  connect(kubeconfig: string): Promise<ApiClient>;
  /** A step was taken: for the person who waits. */
  progress(text: string): void;
  /** Something ended that should run; it is being restarted. */
  notice(text: string): void;
}

export interface RunningControlPlane {
  spec: ControlPlaneSpec;
  dir: DataDir;
  leaders: { scheduler: string; controllerManager: string };
  stop(): Promise<void>;
}

/** Kubelets stop their pods one after the other. */
const leftoversTimeoutMs = 30_000;

export const defaults = { port: 6443, masters: 3, nodes: 3 };

export async function up(
  options: UpOptions,
  environment: UpEnvironment,
  signal: AbortSignal,
): Promise<RunningControlPlane> {
  const { clock, progress } = environment;
  const dir = openDataDir(options.dataDir, process.getuid?.());
  const lock = claim(dir);
  const stores: HostProcess[] = [];
  const kubelets: HostProcess[] = [];
  const stop = async () => {
    await stopAll(dir, stores, kubelets, clock);
    lock.release();
  };
  try {
    const spec = await specFor(dir, options, environment);
    writeState(dir, spec);
    if (!isPkiComplete(dir.pki, spec, clock)) await makeCertificates(dir, options.program);
    writeKubeconfigs(dir, spec);
    writeManifests(dir, spec, options.program);
    progress('keys, certificates and manifests are in place');

    const deadline = clock.monotonic() + options.timeoutMs;
    const wait = { clock, signal, deadline, logs: dir.logs };
    const supervise = (process: StoreProcess) => hostProcess(process, dir, environment);
    stores.push(...storeProcesses(dir, spec, options.program, environment, supervise));
    for (const store of stores) store.start();
    if (spec.store.kind === 'etcd') progress(await etcdIsUp(dir, spec, wait));

    for (const master of spec.masters) kubelets.push(kubeletProcess(master, dir, options.program, environment));
    for (const kubelet of kubelets) kubelet.start();
    const client = await environment.connect(dir.kubeconfig);
    try {
      await waitForReady(client, wait);
      progress('the API is ready');
      await poll('what evenkeel adds to the API cannot be written', wait, async () => {
        await ensureAddons(client);
        await removeSurplusNodes(client, spec);
        return true;
      });
      const leaders = await waitForLeaders(client, wait);
      progress(`leaders are elected: scheduler ${leaders.scheduler}, controller manager ${leaders.controllerManager}`);
      await waitForApiServers(client, new Set(spec.masters.map((m) => m.address)).size, wait);
      await waitForNodes(client, spec.nodes, wait);
      if (spec.nodes > 0)
        progress(spec.nodes === 1 ? '1 simulated node is ready' : `${spec.nodes} simulated nodes are ready`);
      return { spec, dir, leaders, stop };
    } finally {
      client.close();
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Kept ports and masters, unless asked otherwise; new ones where there are none. Ends what must not run on. */
async function specFor(dir: DataDir, options: UpOptions, { clock, random }: UpEnvironment): Promise<ControlPlaneSpec> {
  const kept = readState(dir);
  const store = planStore(options.store, kept?.store);
  if (store.kind === 'etcd') findEtcd(process.env);
  if (kept) assertMajorityKeepsData(dir, kept.store);
  const wanted = {
    port: options.port ?? kept?.port ?? defaults.port,
    masters: options.masters ?? kept?.masters.length ?? defaults.masters,
    nodes: options.nodes ?? kept?.nodes ?? defaults.nodes,
    store,
  };
  const wasRunning = !isEmpty(leftoversIn(dir));
  if (!kept || kept.port !== wanted.port || kept.masters.length !== wanted.masters) {
    if (wasRunning) await endLeftovers(dir, clock, leftoversTimeoutMs);
    const keptMembers = kept?.store.kind === 'etcd' ? kept.store.members : undefined;
    return chooseSpec(wanted, keptMembers, process.platform, random);
  }
  const spec = { ...kept, nodes: wanted.nodes, store: storeOf(store, kept.store.members) };
  // After a killed `up` the masters' pods still run, on these very ports, and will be adopted.
  if (wasRunning) await leavePodsToSuccessors(dir, clock);
  else await assertPortsFree(spec);
  return spec;
}

/** Waits until it is, and says how. From then on its members' data is not to be missed. */
async function etcdIsUp(dir: DataDir, spec: ControlPlaneSpec, wait: WaitOptions): Promise<string> {
  const { store } = spec;
  if (store.kind !== 'etcd') throw new Error('the store is not etcd');
  const states = await waitForQuorum(dir, store, wait);
  store.isBootstrapped = true;
  writeState(dir, spec);
  const leader = store.members[states.indexOf('leads')]!.name;
  const well = states.filter((state) => state === 'leads' || state === 'follows').length;
  return `etcd has a quorum: ${well} of ${states.length} members answer, ${leader} leads`;
}

/** In a process of its own: the library it takes would stay in this one's memory for as long as `up` runs. */
async function makeCertificates(dir: DataDir, [node, ...args]: Program): Promise<void> {
  const child = spawn(node!, [...args, 'certs', '--data-dir', dir.path], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new OperatorError(`no certificates could be made in ${dir.pki}: see above`);
}

/** Files that did not change are left alone: their pods keep running through a restart of `up`. */
function writeManifests(dir: DataDir, spec: ControlPlaneSpec, program: Program): void {
  writeAtomically(dir.authenticationConfig, authenticationConfig);
  for (const master of spec.masters) {
    const directory = dir.manifests(master.name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const wanted = manifestsOf(master, spec, dir, program);
    for (const name of readdirSync(directory)) {
      if (!wanted.some((m) => m.file === name)) rmSync(join(directory, name), { recursive: true });
    }
    for (const manifest of wanted) {
      const file = join(directory, manifest.file);
      if (existsSync(file) && readFileSync(file, 'utf8') === manifest.text) continue;
      writeAtomically(file, manifest.text);
    }
  }
}

/**
 * For drills: a component that is killed once a minute comes back at once each time, one that cannot run is tried again
 * soon enough to be watched. A crash loop costs a start every ten seconds at most.
 */
const restartBackoff = { max: '10s', reset: '30s' };

/** A kubelet mostly waits: without the optimizing compilers it is as fast as it need be, and a tenth smaller. */
const withoutCompilers = ['--no-turbofan', '--no-maglev', '--no-sparkplug'];

function kubeletProcess(master: MasterSpec, dir: DataDir, program: Program, environment: UpEnvironment): HostProcess {
  const [node, ...rest] = program;
  const command = [
    node!,
    ...withoutCompilers,
    ...rest,
    'kubelet',
    `--hostname-override=${master.name}`,
    `--node-ip=${master.address}`,
    `--kubeconfig=${dir.kubeconfigOf(`kubelet-${master.name}`)}`,
    `--pod-manifest-path=${dir.manifests(master.name)}`,
    `--root-dir=${dir.kubelet(master.name)}`,
    `--healthz-bind-address=${master.address}`,
    `--healthz-port=${master.kubeletPort}`,
    '--node-labels=node-role.kubernetes.io/control-plane=',
    '--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule',
    '--stop-pods-on-exit',
    `--restart-backoff-max=${restartBackoff.max}`,
    `--restart-backoff-reset=${restartBackoff.reset}`,
  ];
  return hostProcess(
    { name: `kubelet-${master.name}`, command: () => command, stopTimeoutMs: 30_000 },
    dir,
    environment,
  );
}

function hostProcess(process: StoreProcess, dir: DataDir, environment: UpEnvironment): HostProcess {
  const { name } = process;
  const logFile = join(dir.logs, `${name}.log`);
  return new HostProcess(
    {
      ...process,
      logFile,
      onPutOff: (error) => environment.notice(`${name} cannot be started yet: ${messageOf(error)}`),
      onStart(identity) {
        try {
          recordStart(dir, name, identity);
        } catch (error) {
          // Costs the next `up` or `down` the knowledge of this process; it must not cost the process its supervision.
          environment.notice(`${name} runs, but that cannot be written down: ${messageOf(error)}`);
        }
      },
      onCrash: (code, killedBy) =>
        environment.notice(`${name} ended (${killedBy ?? `status ${code}`}), starting it again; its log: ${logFile}`),
    },
    environment.clock,
  );
}

function recordStart(dir: DataDir, name: string, identity: ProcessIdentity): void {
  const record = readRunRecord(dir);
  if (!record) return;
  const others = record.processes.filter((p) => p.name !== name);
  writeRunRecord(dir, { ...record, processes: [...others, { name, ...identity }] });
}

/**
 * Kubelets first (they stop their pods, the API servers among them), the store last. A kubelet that could not run just
 * then has stopped nothing: its pods are ended here.
 */
async function stopAll(
  dir: DataDir,
  stores: readonly HostProcess[],
  kubelets: readonly HostProcess[],
  clock: Clock,
): Promise<void> {
  await Promise.all(kubelets.map((k) => k.stop()));
  await endPods(dir, clock, leftoversTimeoutMs);
  await Promise.all(stores.map((s) => s.stop()));
  removeRunRecord(dir);
}
