/** What `evenkeel alerts` prints. Plain data in, text out. */
import type { Style } from './style.ts';

export interface AlertsData {
  windowMs: number;
  findings: readonly {
    alert: string;
    severity: string;
    state: 'firing' | 'pending';
    labels: Readonly<Record<string, string>>;
    heldMs: number;
    forMs: number;
    summary: string;
    description: string;
    runbook: string;
  }[];
  untold: readonly { alert: string; why: string }[];
  skipped: readonly { alert: string; why: string }[];
  rules: number;
  targets: readonly { job: string; instance: string; state: string; why?: string }[];
}

export function alertsReport(data: AlertsData, style: Style): string {
  const lines: string[] = [];
  const order = [...data.findings].sort((a, b) => weight(a) - weight(b));
  const up = data.targets.filter((t) => t.state === 'up').length;
  if (up === 0 && data.targets.every((t) => t.state === 'down')) {
    lines.push(style.red('nothing of it answers: evenkeel status tells what runs, evenkeel up starts it'), '');
  }
  for (const same of groupedBy(order, (f) => `${f.alert} ${f.severity} ${f.state}`)) {
    lines.push(...findingLines(same, style), '');
  }
  for (const [why, alerts] of byReason(data.untold)) {
    lines.push(`${style.red('cannot tell')}  ${why}`, ...wrapped(alerts.join(', ')), '');
  }
  const seconds = Math.round(data.windowMs / 1000);
  if (!order.some((f) => f.state === 'firing') && data.untold.length === 0) lines.push(style.green('no alert fires'));
  lines.push(
    style.dim(
      `${data.rules} rules; ${up} of ${data.targets.length} targets answer; ` +
        `rates are over ${seconds} s, and so long at most a condition had to hold`,
    ),
  );
  for (const [why, alerts] of byReason(data.skipped)) {
    lines.push(...wrapped(`not looked at, because ${why}: ${alerts.join(', ')}`, '').map(style.dim));
  }
  return `${lines.join('\n')}\n`;
}

/** One line a change, for --watch. */
export function changeLine(time: string, what: 'firing' | 'pending' | 'ended', alert: string, text: string): string {
  return `${time}  ${what.padEnd(7)}  ${alert}  ${text}`;
}

type FindingData = AlertsData['findings'][number];

function weight({ state, severity }: FindingData): number {
  return (state === 'firing' ? 0 : 2) + (severity === 'critical' ? 0 : 1);
}

/** Of one alert, for one set of labels or more. */
function findingLines(same: readonly FindingData[], style: Style): string[] {
  const { alert, severity, state, forMs, runbook } = same[0]!;
  const heldMs = Math.min(...same.map((f) => f.heldMs));
  const waits = `it has held for ${Math.round(heldMs / 1000)} s; the rule file waits ${Math.round(forMs / 1000)} s`;
  return [
    `${state === 'firing' ? style.red('firing ') : 'pending'}  ${severity}  ${style.bold(alert)}`,
    ...same.flatMap(({ summary, description }) => [...wrapped(summary), ...wrapped(description)]),
    ...wrapped(runbook),
    ...(forMs > heldMs ? [`         ${style.dim(waits)}`] : []),
  ];
}

function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): T[][] {
  return [...Map.groupBy(all, keyOf).values()];
}

function byReason(all: readonly { alert: string; why: string }[]): Map<string, string[]> {
  const reasons = new Map<string, Set<string>>();
  for (const { alert, why } of all) reasons.set(why, (reasons.get(why) ?? new Set()).add(alert));
  return new Map([...reasons].map(([why, alerts]) => [why, [...alerts]]));
}

const columnsMax = 100;

function wrapped(text: string, indent = ' '.repeat(9)): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > columnsMax) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line];
}
