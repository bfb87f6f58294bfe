/** `evenkeel up --detach`: starts `evenkeel up` behind, waits until it says that it is up, and leaves. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import { upPanel } from '#cli/panel.ts';
import { styleFor } from '#cli/style.ts';
import { openDataDir } from '#controlplane/data-dir.ts';
import type { UpOptions } from '#controlplane/up.ts';
import { realClock } from '#os/real-clock.ts';
import { program } from './local.ts';

export async function detach(argv: readonly string[], options: UpOptions, signal: AbortSignal): Promise<void> {
  const dir = openDataDir(options.dataDir, process.getuid?.());
  const output = join(dir.logs, 'up.out');
  const errors = join(dir.logs, 'up.log');
  const stdout = openSync(output, 'w', 0o600);
  const stderr = openSync(errors, 'w', 0o600);
  const isJson = argv.some(
    (a, i) => /^(--output|-o)=json$/.test(a) || (/^(--output|-o)$/.test(a) && argv[i + 1] === 'json'),
  );
  const child = spawn(program[0]!, [...program.slice(1), 'up', ...argv, '--output=json'], {
    detached: true,
    stdio: ['ignore', stdout, stderr],
  });
  closeSync(stdout);
  closeSync(stderr);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });

  let shown = 0;
  while (!signal.aborted) {
    const progress = readFileSync(errors, 'utf8');
    process.stderr.write(progress.slice(shown));
    shown = progress.length;
    const announced = readFileSync(output, 'utf8');
    if (announced.endsWith('\n')) {
      child.unref();
      const text = isJson
        ? announced
        : `${upPanel(JSON.parse(announced), styleFor(process.stdout, process.env))}\n  evenkeel down stops it; the data is kept.\n\n`;
      process.stdout.write(text);
      return;
    }
    if (ended) throw new OperatorError(`it did not come up: see ${errors}`);
    await sleep(realClock, 30, signal);
  }
  child.kill('SIGTERM');
  throw new OperatorError('interrupted');
}
