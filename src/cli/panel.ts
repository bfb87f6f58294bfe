/** What a person sees once a control plane is up, and what `evenkeel status` prints. Plain data in, text out. */
import type { Style } from './style.ts';

export interface PanelData {
  server: string;
  kubeconfig: string;
  dataDir: string;
  masters: { name: string; address: string; state?: string }[];
  leaders: { scheduler?: string; controllerManager?: string };
  nodes: { total: number; ready: number };
  store: { kind: string; members: { name: string; address: string; state?: string }[] };
}

export function upPanel(data: PanelData, style: Style): string {
  const first = data.masters[0]?.name ?? 'master1';
  return [
    '',
    `  ${style.bold('evenkeel is up')}`,
    '',
    row('API', style.green(data.server)),
    ...facts(data),
    '',
    `  ${style.bold('Use it')}`,
    `    export KUBECONFIG=${quoted(data.kubeconfig)}`,
    '    kubectl get nodes',
    '    kubectl create deployment web --image=nginx --replicas=10',
    '    kubectl get leases -n kube-system',
    '',
    `  ${style.bold('Break it')}`,
    `    kubectl delete pod -n kube-system kube-apiserver-${first} --force`,
    "    watch -n 1 'kubectl get endpoints -n default kubernetes'",
    '',
  ].join('\n');
}

export interface StatusData extends PanelData {
  running: boolean;
  orphaned: boolean;
  serverReady: boolean;
}

export function statusPanel(data: StatusData, style: Style): string {
  return [
    row('API', data.serverReady ? style.green(data.server) : `${data.server}  ${style.red(fault(data))}`),
    ...(data.orphaned
      ? [row('', style.red('nobody looks after it: evenkeel up takes it over, evenkeel down ends it'))]
      : []),
    ...facts(data),
    row('data', data.dataDir),
    row('kubeconfig', data.kubeconfig),
    '',
  ].join('\n');
}

function fault({ running, orphaned }: StatusData): string {
  return running || orphaned ? 'not ready' : 'not running';
}

function facts(data: PanelData): string[] {
  const { scheduler = 'none', controllerManager = 'none' } = data.leaders;
  const places = (name: string, all: readonly { name: string; address: string; state?: string }[]) =>
    all.map((one, i) => row(i === 0 ? name : '', `${one.name}  ${one.address}${one.state ? `  ${one.state}` : ''}`));
  return [
    ...places('masters', data.masters),
    ...(data.store.kind === 'embedded' ? [row('store', 'embedded')] : places('store', data.store.members)),
    row('leaders', `scheduler ${scheduler}, controller manager ${controllerManager}`),
    row('nodes', `${data.nodes.ready} of ${data.nodes.total} ready`),
  ];
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(11)} ${text}`;
}

/** As a shell needs it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
