/**
 * The one directory a control plane lives in: PKI, manifests, data, logs, kubeconfig. `controlplane.json` says what is
 * in it and which version wrote it; `up.json` names the process that runs it now.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { OperatorError } from '#base/errors.ts';
import { lockFile } from '#base/file-lock.ts';
import { isRunning, type ProcessIdentity, startTimeOf } from '#os/process-identity.ts';
import type { ControlPlaneSpec } from './spec.ts';

/** Raised when an older evenkeel could no longer read what a newer one wrote. */
const formatVersion = 2;

export interface DataDir {
  readonly path: string;
  readonly pki: string;
  readonly store: string;
  readonly logs: string;
  readonly kubeconfig: string;
  readonly authenticationConfig: string;
  manifests(master: string): string;
  kubelet(master: string): string;
  kubeconfigOf(user: string): string;
}

export function dataDirAt(path: string): DataDir {
  return {
    path,
    pki: join(path, 'pki'),
    store: join(path, 'etcd'),
    logs: join(path, 'logs'),
    kubeconfig: join(path, 'kubeconfig'),
    authenticationConfig: join(path, 'authentication-config.json'),
    manifests: (master) => join(path, 'manifests', master),
    kubelet: (master) => join(path, 'kubelet', master),
    kubeconfigOf: (user) => join(path, 'kubeconfigs', `${user}.conf`),
  };
}

/** `$XDG_STATE_HOME/evenkeel`, by default `~/.local/state/evenkeel`. */
export function defaultDataDir(environment: NodeJS.ProcessEnv, home: string): string {
  return join(environment['XDG_STATE_HOME'] || join(home, '.local', 'state'), 'evenkeel');
}

/** What an `up` that ended early may have left, before it wrote the state. */
const ownBeforeState = /^(up\.json|up\.lock|logs|(up|controlplane)\.json\.\d+\.tmp)$/;

/** Makes it, or checks that it is ours to use. Never changes a directory it refuses. */
export function openDataDir(path: string, uid: number | undefined): DataDir {
  const dir = dataDirAt(path);
  if (existsSync(path)) {
    const stat = statSync(path);
    if (!stat.isDirectory()) throw new OperatorError(`${path} is not a directory: choose another with --data-dir`);
    if (uid !== undefined && stat.uid !== uid) {
      throw new OperatorError(`${path} belongs to another user (uid ${stat.uid}): choose another with --data-dir`);
    }
    if (!existsSync(stateFile(dir)) && readdirSync(path).some((name) => !ownBeforeState.test(name))) {
      throw new OperatorError(
        `${path} holds something else than a control plane: choose an empty directory with --data-dir`,
      );
    }
    readState(dir);
  }
  mkdirSync(dir.logs, { recursive: true, mode: 0o700 });
  return dir;
}

export function readState(dir: DataDir): ControlPlaneSpec | undefined {
  const file = stateFile(dir);
  if (!existsSync(file)) return undefined;
  const state = parse(file) as { formatVersion?: number; spec?: ControlPlaneSpec & { storePort?: number } };
  if (typeof state.formatVersion !== 'number' || !state.spec) {
    throw new OperatorError(`${file} is damaged: restore it, or choose another directory with --data-dir`);
  }
  if (state.formatVersion > formatVersion) {
    throw new OperatorError(
      `${dir.path} was written by a newer evenkeel (format ${state.formatVersion}, this one reads ${formatVersion}): use that version, or another --data-dir`,
    );
  }
  const { storePort, ...spec } = state.spec;
  // Format 1 had the embedded store alone.
  if (storePort)
    spec.store = { kind: 'embedded', members: [{ name: 'etcd', address: '127.0.0.1', clientPort: storePort }] };
  return spec;
}

export function writeState(dir: DataDir, spec: ControlPlaneSpec): void {
  writeAtomically(stateFile(dir), JSON.stringify({ formatVersion, spec }, null, 2));
}

/** What runs for this directory: the supervisor and the processes it started itself. */
export interface RunRecord {
  supervisor: ProcessIdentity;
  processes: (ProcessIdentity & { name: string })[];
}

export function readRunRecord(dir: DataDir): RunRecord | undefined {
  const file = runFile(dir);
  return existsSync(file) ? (parse(file) as RunRecord) : undefined;
}

export function writeRunRecord(dir: DataDir, record: RunRecord): void {
  writeAtomically(runFile(dir), JSON.stringify(record, null, 2));
}

export function removeRunRecord(dir: DataDir): void {
  rmSync(runFile(dir), { force: true });
}

/** Refuses when another `up` runs on this directory. What a killed one left running stays in the record. */
export function claim(dir: DataDir): { release(): void } {
  const lock = lockFile(join(dir.path, 'up.lock'));
  const before = readRunRecord(dir);
  if (!lock || (before && isRunning(before.supervisor))) {
    const pid = before ? ` (pid ${before.supervisor.pid})` : '';
    throw new OperatorError(
      `a control plane already runs in ${dir.path}${pid}: see evenkeel status, stop it with evenkeel down, or choose another --data-dir`,
    );
  }
  writeRunRecord(dir, {
    supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
    processes: (before?.processes ?? []).filter(isRunning),
  });
  return lock;
}

/** A reader sees the old file or the new one, never half of it. */
export function writeAtomically(file: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, file);
}

const stateFile = (dir: DataDir) => join(dir.path, 'controlplane.json');
const runFile = (dir: DataDir) => join(dir.path, 'up.json');

function parse(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new OperatorError(`${file} cannot be read: restore it, or choose another directory with --data-dir`, {
      cause,
    });
  }
}
