/**
 * The directory of static pod manifests. Says what pods are wanted, each time that changes: a file is read again when its
 * size, inode or modification time changed, noticed by the directory's own events (debounced) and by a periodic rescan,
 * because such events may be lost or not exist on a file system. A file that cannot be read or understood is
 * logged in one line and keeps the pod it last described: a typing error must not take down a control plane.
 */
import { type FSWatcher, readdirSync, readFileSync, type Stats, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { type Pod, podKey } from '../pod.ts';
import { isManifestName, parseManifest } from './manifest.ts';

export const rescanPeriodMs = 20_000;
const missingDirectoryRetryMs = 1000;
const debounceMs = 40;
/** A manifest is a page of text; anything longer is a mistake. */
const manifestBytesMax = 1 << 20;

export interface ManifestDirectoryOptions {
  directory: string;
  nodeName: string;
  clock: Clock;
  log: Logger;
  /** The pod that a file described before this process started, if any: kept when the file is malformed now. */
  lastGood?: ReadonlyMap<string, Pod>;
}

interface KnownFile {
  fingerprint: string;
  pod: Pod | undefined;
}

export class ManifestDirectory {
  readonly name = 'manifest-directory';
  #options: ManifestDirectoryOptions;
  #files = new Map<string, KnownFile>();
  #complaint = '';
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;

  constructor(options: ManifestDirectoryOptions) {
    this.#options = options;
  }

  /** Tells `onPods` the pods by file, first at once and then whenever they changed. */
  run(signal: AbortSignal, onPods: (pods: ReadonlyMap<string, Pod>) => void): Promise<void> {
    let isFirst = true;
    const scan = () => {
      this.#timer?.cancel();
      const isThere = this.#watchDirectory(() => this.#scanIn(debounceMs, scan));
      if (this.#scan() || isFirst) onPods(this.pods());
      isFirst = false;
      this.#scanIn(isThere ? rescanPeriodMs : missingDirectoryRetryMs, scan);
    };
    scan();
    return new Promise((resolve) => {
      const stop = () => {
        this.#timer?.cancel();
        this.#watcher?.close();
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }

  /** By file name; of two files that name the same pod the first one has it. */
  pods(): ReadonlyMap<string, Pod> {
    const pods = new Map<string, Pod>();
    const owners = new Map<string, string>();
    for (const [file, { pod }] of [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!pod) continue;
      const owner = owners.get(podKey(pod));
      if (owner === undefined) {
        owners.set(podKey(pod), file);
        pods.set(file, pod);
      } else {
        this.#options.log.error({ file, pod: podKey(pod) }, `manifest ignored: ${owner} names the same pod`);
      }
    }
    return pods;
  }

  #scanIn(delayMs: number, scan: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(delayMs, scan);
  }

  #watchDirectory(onChange: () => void): boolean {
    if (this.#watcher) return true;
    try {
      this.#watcher = watch(this.#options.directory, { persistent: false }, onChange);
      this.#watcher.on('error', () => this.#unwatch());
      return true;
    } catch {
      return false;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** True when the wanted pods may have changed. */
  #scan(): boolean {
    const { directory, log } = this.#options;
    let names: string[];
    try {
      names = readdirSync(directory).filter(isManifestName).sort();
      this.#complaint = '';
    } catch (error) {
      // The directory itself is gone: nothing is said about pods, so none is stopped.
      this.#unwatch();
      if (this.#complaint === '') log.error({ directory, reason: messageOf(error) }, 'manifest directory unreadable');
      this.#complaint = messageOf(error);
      return false;
    }
    let changed = false;
    for (const name of names) changed = this.#read(join(directory, name)) || changed;
    const present = new Set(names.map((name) => join(directory, name)));
    for (const file of [...this.#files.keys()]) {
      if (present.has(file)) continue;
      this.#files.delete(file);
      changed = true;
    }
    return changed;
  }

  #read(file: string): boolean {
    const { nodeName, log, lastGood } = this.#options;
    const known = this.#files.get(file);
    let fingerprint = 'unreadable';
    try {
      const stats = statSync(file);
      if (stats.isDirectory()) return false;
      fingerprint = fingerprintOf(stats);
      if (known?.fingerprint === fingerprint) return false;
      if (stats.size > manifestBytesMax) throw new Error(`it is longer than ${manifestBytesMax} bytes`);
      const pod = parseManifest(readFileSync(file, 'utf8'), file, nodeName);
      this.#files.set(file, { fingerprint, pod });
      return pod.metadata.uid !== known?.pod?.metadata.uid;
    } catch (error) {
      if (known?.fingerprint === fingerprint) return false;
      const pod = known ? known.pod : lastGood?.get(file);
      const then = pod ? 'its pod keeps running as it was' : 'it is ignored until it changes';
      log.error({ file, reason: messageOf(error) }, `malformed manifest: ${then}`);
      this.#files.set(file, { fingerprint, pod });
      return !known && pod !== undefined;
    }
  }
}

function fingerprintOf(stats: Stats): string {
  return `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}
