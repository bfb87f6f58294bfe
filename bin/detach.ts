/** `evenkeel up --detach`: starts `evenkeel up` behind, waits until it says that it is up, and leaves. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#base/clock.ts';
import { upPanel } from '#cli/panel.ts';
import { styleFor } from '#cli/style.ts';
import { openDataDir } from '#controlplane/data-dir.ts';
import type { UpOptions } from '#controlplane/up.ts';
import { realClock } from '#os/real-clock.ts';
import { program } from './local.ts';

export async function detach(
  argv: readonly string[],
  options: UpOptions,
  isJson: boolean,
  signal: AbortSignal,
): Promise<void> {
  const dir = openDataDir(options.dataDir, process.getuid?.());
  // Each start has files of its own: one that is refused must not overwrite those of the one that runs.
  const output = join(dir.logs, `up-${process.pid}.out`);
  const log = join(dir.logs, 'up.log');
  const startsAt = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  const stdout = openSync(output, 'wx', 0o600);
  const stderr = openSync(log, 'a', 0o600);
  const child = spawn(program[0]!, [...program.slice(1), 'up', ...argv, '--output=json'], {
    detached: true,
    stdio: ['ignore', stdout, stderr],
  });
  closeSync(stdout);
  closeSync(stderr);
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  let exitCode: number | undefined;
  void ended.then((code) => {
    exitCode = code;
  });
  const interrupt = () => child.kill('SIGTERM');
  signal.addEventListener('abort', interrupt, { once: true });

  let shown = startsAt;
  try {
    for (;;) {
      const hasEnded = exitCode !== undefined;
      const progress = readFileSync(log);
      process.stderr.write(progress.subarray(shown));
      shown = progress.length;
      const announced = readFileSync(output, 'utf8');
      if (announced.endsWith('\n')) {
        child.unref();
        process.stdout.write(isJson ? announced : panel(announced));
        return;
      }
      if (hasEnded) break;
      await sleep(realClock, 30);
    }
  } finally {
    rmSync(output, { force: true });
  }
  process.exit(exitCode); // It has said itself why.
}

function panel(announced: string): string {
  const text = upPanel(JSON.parse(announced), styleFor(process.stdout, process.env));
  return `${text}\n  evenkeel down stops it; the data is kept.\n\n`;
}
