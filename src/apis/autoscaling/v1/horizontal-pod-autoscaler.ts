import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { cpuMetric, setHorizontalPodAutoscalerDefaults } from '../v2/horizontal-pod-autoscaler.ts';

/**
 * The version that knows one metric, the processor's utilization. What else the stored v2 object has travels in
 * annotations, so that nothing is lost on a way through v1.
 */
export const horizontalPodAutoscaler: KindModule = {
  definition: {
    setDefaults: (object) => setDefault(ensure(object, 'spec'), 'minReplicas', 1),
    toStorage,
    fromStorage,
  },
};

const prefix = 'autoscaling.alpha.kubernetes.io/';

function toStorage(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  const { targetCPUUtilizationPercentage: utilization, ...rest } = spec;
  const metrics: Fields[] = typeof utilization === 'number' ? [cpuMetric(utilization)] : [];
  metrics.push(...(takeAnnotation(object, 'metrics') ?? []));
  const behavior = fromGoNames(takeAnnotation(object, 'behavior'));
  object.spec = { ...rest, metrics, ...(behavior ? { behavior } : {}) };
  const { currentCPUUtilizationPercentage: current, ...status } = object.status ?? {};
  const conditions = takeAnnotation(object, 'conditions');
  const currentMetrics: Fields[] = takeAnnotation(object, 'current-metrics') ?? [];
  if (typeof current === 'number') currentMetrics.unshift(currentCpu(current));
  object.status = { ...status, currentMetrics, ...(conditions ? { conditions } : {}) };
  setHorizontalPodAutoscalerDefaults(object);
}

function fromStorage(object: KubeObject): void {
  const { metrics, behavior, ...spec } = object.spec ?? {};
  const cpu = each(metrics).find((metric) => isCpu(metric) && metric.resource.target?.averageUtilization !== undefined);
  if (cpu) spec.targetCPUUtilizationPercentage = cpu.resource.target.averageUtilization;
  putAnnotation(
    object,
    'metrics',
    each(metrics).filter((metric) => metric !== cpu),
  );
  if (behavior) putAnnotation(object, 'behavior', behaviorInGoNames(behavior));
  object.spec = spec;
  if (!object.status) return;
  const { currentMetrics, conditions, ...status } = object.status;
  const current = each(currentMetrics).find((m) => isCpu(m) && m.resource.current?.averageUtilization !== undefined);
  if (current) status.currentCPUUtilizationPercentage = current.resource.current.averageUtilization;
  status.currentReplicas ??= 0;
  putAnnotation(
    object,
    'current-metrics',
    each(currentMetrics).filter((metric) => metric !== current),
  );
  putAnnotation(object, 'conditions', conditions);
  object.status = status;
}

function isCpu(metric: Fields): boolean {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu';
}

function currentCpu(averageUtilization: number): Fields {
  return { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } };
}

function putAnnotation(object: KubeObject, name: string, value: unknown): void {
  if (!value || (Array.isArray(value) && value.length === 0)) return;
  ensure(object.metadata, 'annotations')[prefix + name] = JSON.stringify(value);
}

/** A client may have written anything there; what does not parse is dropped. */
function takeAnnotation(object: KubeObject, name: string): Fields {
  const annotations = object.metadata.annotations;
  const text = annotations?.[prefix + name];
  if (!annotations || text === undefined) return undefined;
  delete annotations[prefix + name];
  if (Object.keys(annotations).length === 0) delete object.metadata.annotations;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Upstream writes this annotation by the names of its Go fields, unset ones included. */
function behaviorInGoNames({ scaleUp, scaleDown }: Fields): Fields {
  return { ScaleUp: rulesInGoNames(scaleUp), ScaleDown: rulesInGoNames(scaleDown) };
}

function rulesInGoNames(rules: Fields): Fields {
  if (!rules) return null;
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: each(rules.policies).map(({ type, value, periodSeconds }) => ({
      Type: type,
      Value: value,
      PeriodSeconds: periodSeconds,
    })),
    Tolerance: rules.tolerance ?? null,
  };
}

/** `StabilizationWindowSeconds` → `stabilizationWindowSeconds`, at every level; nulls are left out. */
function fromGoNames(value: Fields): Fields {
  if (Array.isArray(value)) return value.map(fromGoNames);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, v]) => v !== null);
  return Object.fromEntries(entries.map(([name, v]) => [name.charAt(0).toLowerCase() + name.slice(1), fromGoNames(v)]));
}
