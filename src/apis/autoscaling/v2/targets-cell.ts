import type { KubeObject } from '#apimachinery/object.ts';
import { each, type Fields } from '../../set-default.ts';

const shownMax = 2;

/** `cpu: 10%/60%, memory: 5Mi/1Gi + 1 more...`: each metric as it is, of what it should be. */
export function targetsCell({ spec, status }: KubeObject): string {
  const metrics = each(spec?.metrics);
  if (metrics.length === 0) return '<none>';
  const current = each(status?.currentMetrics);
  const shown = metrics.slice(0, shownMax).map((metric, i) => metricCell(metric, current[i]));
  const more = metrics.length > shownMax ? ` + ${metrics.length - shownMax} more...` : '';
  return shown.join(', ') + more;
}

const sources: Record<string, string> = {
  External: 'external',
  Pods: 'pods',
  Object: 'object',
  Resource: 'resource',
  ContainerResource: 'containerResource',
};

function metricCell(metric: Fields, current: Fields): string {
  const source = sources[metric.type];
  if (!source) return '<unknown type>';
  const { target = {}, name } = metric[source] ?? {};
  const now = current?.[source]?.current ?? {};
  const label = metric.type === 'Resource' || metric.type === 'ContainerResource' ? `${name}: ` : '';
  if (typeof target.averageUtilization === 'number') {
    const utilization = typeof now.averageUtilization === 'number' ? `${now.averageUtilization}%` : '<unknown>';
    return `${label}${utilization}/${target.averageUtilization}%`;
  }
  if (target.averageValue !== undefined) {
    const average = metric.type === 'External' || metric.type === 'Object' ? ' (avg)' : '';
    return `${label}${now.averageValue ?? '<unknown>'}/${target.averageValue}${average}`;
  }
  return `${label}${now.value ?? '<unknown>'}/${target.value ?? '<auto>'}`;
}
