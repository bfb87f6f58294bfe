/**
 * The conductor of `evenkeel up`: data directory, ports, PKI, manifests; then the store and the kubelets, which start
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
import { poll, waitForApiServers, waitForLeaders, waitForNodes, waitForReady } from './readiness.ts';
import { assertPortsFree, type ControlPlaneSpec, chooseSpec, type MasterSpec, storeHost } from './spec.ts';
import { removeSurplusNodes } from './surplus-nodes.ts';

export interface UpOptions {
  dataDir: string;
  /** Undefined: as it was kept, else the default. */
  port: number | undefined;
  masters: number | undefined;
  nodes: number | undefined;
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
  const processes: HostProcess[] = [];
  const stop = async () => {
    await stopAll(dir, processes, clock);
    lock.release();
  };
  try {
    const spec = await specFor(dir, options, environment);
    writeState(dir, spec);
    if (!isPkiComplete(dir.pki, spec, clock)) await makeCertificates(dir, options.program);
    writeKubeconfigs(dir, spec);
    writeManifests(dir, spec, options.program);
    progress('keys, certificates and manifests are in place');

    processes.push(storeProcess(dir, spec, options.program, environment));
    for (const master of spec.masters) processes.push(kubeletProcess(master, dir, options.program, environment));
    for (const process of processes) process.start();

    const deadline = clock.monotonic() + options.timeoutMs;
    const client = await environment.connect(dir.kubeconfig);
    try {
      const wait = { clock, signal, deadline, logs: dir.logs };
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
  const wanted = {
    port: options.port ?? kept?.port ?? defaults.port,
    masters: options.masters ?? kept?.masters.length ?? defaults.masters,
    nodes: options.nodes ?? kept?.nodes ?? defaults.nodes,
  };
  const wasRunning = !isEmpty(leftoversIn(dir));
  if (!kept || kept.port !== wanted.port || kept.masters.length !== wanted.masters) {
    if (wasRunning) await endLeftovers(dir, clock, leftoversTimeoutMs);
    return chooseSpec(wanted, process.platform, random);
  }
  const spec = { ...kept, nodes: wanted.nodes };
  // After a killed `up` the masters' pods still run, on these very ports, and will be adopted.
  if (wasRunning) await leavePodsToSuccessors(dir, clock);
  else await assertPortsFree(spec);
  return spec;
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

function storeProcess(dir: DataDir, spec: ControlPlaneSpec, program: Program, environment: UpEnvironment): HostProcess {
  const url = `https://${storeHost}:${spec.storePort}`;
  return hostProcess('etcd', dir, environment, 10_000, [
    ...program,
    'etcd',
    '--name=default',
    `--data-dir=${dir.store}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--cert-file=${join(dir.pki, 'etcd/server.crt')}`,
    `--key-file=${join(dir.pki, 'etcd/server.key')}`,
    `--trusted-ca-file=${join(dir.pki, 'etcd/ca.crt')}`,
    '--client-cert-auth=true',
  ]);
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
  return hostProcess(`kubelet-${master.name}`, dir, environment, 30_000, [
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
  ]);
}

function hostProcess(
  name: string,
  dir: DataDir,
  environment: UpEnvironment,
  stopTimeoutMs: number,
  command: readonly string[],
): HostProcess {
  const logFile = join(dir.logs, `${name}.log`);
  return new HostProcess(
    {
      name,
      command,
      logFile,
      stopTimeoutMs,
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
async function stopAll(dir: DataDir, processes: readonly HostProcess[], clock: Clock): Promise<void> {
  const [store, ...kubelets] = processes;
  await Promise.all(kubelets.map((k) => k.stop()));
  await endPods(dir, clock, leftoversTimeoutMs);
  await store?.stop();
  removeRunRecord(dir);
}
