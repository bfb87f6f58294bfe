#!/usr/bin/env node
/** `evenkeel COMMAND`: loads the one file that the command needs, and runs it. */
import nodeModule from 'node:module';
import { join } from 'node:path';
import v8 from 'node:v8';
import type { FlagSpec } from '#base/flags.ts';

export interface Command {
  about: string;
  load: () => Promise<{
    main(argv: string[], name: string, commands: Record<string, Command>): Promise<unknown>;
    flags: readonly FlagSpec[] | (() => readonly FlagSpec[]);
    /** What may follow the command, instead of flags. */
    words?: readonly string[];
  }>;
}

const commands: Record<string, Command> = {
  up: { about: 'start a control plane on this machine and stay with it', load: () => import('./up.ts') },
  down: { about: 'stop it', load: () => import('./down.ts') },
  status: { about: 'what runs, who leads', load: () => import('./status.ts') },
  apiserver: { about: 'an API server (kube-apiserver)', load: () => import('./apiserver.ts') },
  scheduler: { about: 'a scheduler (kube-scheduler)', load: () => import('./scheduler.ts') },
  'controller-manager': {
    about: 'the controllers (kube-controller-manager)',
    load: () => import('./controller-manager.ts'),
  },
  etcd: { about: 'the embedded store, speaking etcd v3', load: () => import('./etcd.ts') },
  store: { about: 'snapshots: save, restore, move to etcd and back', load: () => import('./store.ts') },
  kubelet: { about: 'runs static pods as processes; plays simulated nodes', load: () => import('./kubelet.ts') },
  certs: { about: 'keys and certificates: what is missing or old, made anew', load: () => import('./certs.ts') },
  lb: { about: 'load balancer for the API servers', load: () => import('./lb.ts') },
  render: { about: 'configuration of Prometheus and Grafana for a control plane', load: () => import('./render.ts') },
  alerts: { about: 'which alerts fire, asked without a Prometheus', load: () => import('./alerts.ts') },
  completion: { about: 'a script that completes all this in your shell', load: () => import('./completion.ts') },
};

/** Upstream's executables, when this file is called by their names. */
const dropIns: Record<string, string> = {
  'kube-apiserver': 'apiserver',
  'kube-controller-manager': 'controller-manager',
  'kube-scheduler': 'scheduler',
  etcd: 'etcd',
};

const nodeVersionMin = 24;
if (Number.parseInt(process.versions.node, 10) < nodeVersionMin) {
  process.stderr.write(`evenkeel: this is Node ${process.versions.node}: use Node ${nodeVersionMin} or later\n`);
  process.exit(1);
}
const isBundle = import.meta.dirname.endsWith(join('dist', 'bin'));
const root = join(import.meta.dirname, isBundle ? '../..' : '..');
keepCompiledCode();
keepShortLivedYoung();
const calledAs = process.env['EVENKEEL_CALLED_AS'] ?? '';
delete process.env['EVENKEEL_CALLED_AS']; // our own children have names of their own
const dropIn = dropIns[calledAs];
const [word = '', ...rest] = process.argv.slice(2);
if (dropIn) await commands[dropIn]!.load().then((c) => c.main(process.argv.slice(2), calledAs, commands));
else if (Object.hasOwn(commands, word))
  await commands[word]!.load().then((c) => c.main(rest, `evenkeel ${word}`, commands));
else if (word === '--version' || word === 'version') await version();
else if (word === '' || word === '--help' || word === '-h' || word === 'help') process.stdout.write(usage());
else {
  process.stderr.write(`evenkeel: unknown command "${word}": see evenkeel --help\n`);
  process.exitCode = 2;
}

/**
 * Compiled code is kept beside the program, where it outlives a boot, and is written once the start is over: a process
 * that is killed should leave it to the next one too. Where that cannot be written, nothing is kept.
 */
function keepCompiledCode(): void {
  nodeModule.enableCompileCache(join(root, '.cache', 'compiled'));
  setTimeout(nodeModule.flushCompileCache, 10_000).unref();
}

/**
 * V8 takes the requests that are in flight while it looks for long-lived objects, and puts their like among the old from
 * then on, where they wait for a full collection and keep young ones alive: a quarter of what a server allocates.
 */
function keepShortLivedYoung(): void {
  v8.setFlagsFromString('--no-allocation-site-pretenuring');
}

async function version(): Promise<void> {
  const { readFileSync } = await import('node:fs');
  process.stdout.write(`evenkeel ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`);
}

function usage(): string {
  const list = Object.entries(commands).map(([name, c]) => `  ${name.padEnd(20)}${c.about}`);
  return `A highly available Kubernetes control plane.

Usage:
  evenkeel COMMAND [flags]

Commands:
${list.join('\n')}

Examples:
  evenkeel up                              three masters, three simulated nodes, on port 6443
  evenkeel up --masters 1 --nodes 0        one API server, no nodes
  evenkeel status --output json
  evenkeel COMMAND --help
`;
}
