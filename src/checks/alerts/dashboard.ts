/** A Grafana dashboard with a panel for what each rule looks at; the rules' bounds are the panels' thresholds. */
import type { AlertRule, Panel } from './alert-rule.ts';
import { comparedIn, type Expression, promqlOf } from './expression.ts';

/** Grafana 9 and later read it. */
const schemaVersion = 37;
const columns = 24;
const [panelWidth, panelHeight] = [12, 8];

const rowTitles: Record<AlertRule['group'], string> = {
  apiserver: 'API servers',
  slo: 'Objectives',
  scheduling: 'Scheduling',
  leaders: 'Leaders',
  availability: 'Availability',
  store: 'Store',
  security: 'Certificates and clocks',
};

export function dashboardOf(rules: readonly AlertRule[]): object {
  const panels: object[] = [];
  let y = 0;
  for (const group of new Set(rules.map((r) => r.group))) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: rowTitles[group],
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: columns, h: 1 },
    });
    const byTitle = new Map<string, AlertRule[]>();
    for (const rule of rules.filter((r) => r.group === group)) {
      byTitle.set(rule.panel.title, [...(byTitle.get(rule.panel.title) ?? []), rule]);
    }
    let x = 0;
    for (const shown of byTitle.values()) {
      if (x + panelWidth > columns) [x, y] = [0, y + panelHeight];
      panels.push(panelOf(shown, panels.length + 1, { x, y, w: panelWidth, h: panelHeight }));
      x += panelWidth;
    }
    y += panelHeight;
  }
  return {
    uid: 'evenkeel',
    title: 'Control plane (evenkeel)',
    tags: ['kubernetes', 'evenkeel'],
    schemaVersion,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {} }],
    },
    panels,
  };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own way to name a variable
const datasource = { type: 'prometheus', uid: '${datasource}' };

function panelOf(rules: readonly AlertRule[], id: number, gridPos: object): object {
  const { title, unit } = rules[0]!.panel;
  const expressions = [...new Map(rules.map((r) => [promqlOf(comparedIn(r.expression)), r])).entries()];
  return {
    id,
    type: 'timeseries',
    title,
    description: [...new Set(rules.map((r) => r.annotations.summary))].join('\n\n').replaceAll(/\{\{.*?\}\}/g, '…'),
    datasource,
    gridPos,
    targets: expressions.map(([expr, rule], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource,
      expr,
      legendFormat: legendOf(rule),
    })),
    fieldConfig: {
      defaults: { unit, custom: { thresholdsStyle: { mode: 'line' } }, thresholds: thresholdsOf(rules, unit) },
      overrides: [],
    },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
  };
}

function legendOf({ labels, expression }: AlertRule): string {
  if (labels?.['long']) return labels['long'];
  const value = comparedIn(expression);
  if (value.kind === 'instant') return '{{job}} {{instance}} {{backend}}';
  return isTotal(value) ? '' : '{{job}} {{instance}}';
}

function isTotal(value: Expression): boolean {
  return value.kind === 'aggregate' && value.by.length === 0;
}

function thresholdsOf(rules: readonly AlertRule[], unit: Panel['unit']): object {
  const bounds = rules.flatMap(({ expression, severity }) =>
    expression.kind === 'compare' && (unit !== 'short' || expression.operator === '>')
      ? [{ value: expression.right, operator: expression.operator, color: severity === 'critical' ? 'red' : 'orange' }]
      : [],
  );
  const isFloor = bounds.some((b) => b.operator === '<');
  const steps = bounds
    .sort((a, b) => a.value - b.value)
    .map(({ value, color }, i) => ({ value, color: isFloor ? (bounds[i + 1]?.color ?? 'green') : color }));
  return {
    mode: 'absolute',
    steps: [{ value: null, color: isFloor ? (bounds[0]?.color ?? 'green') : 'green' }, ...steps],
  };
}
