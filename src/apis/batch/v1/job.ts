import type { KubeObject } from '#apimachinery/object.ts';
import { formatAge, parseTime } from '#apimachinery/time.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, containerCells, selectorCell } from '../../table-cells.ts';
import { validateJob, validateJobUpdate } from './job-validation.ts';

export const job: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    // From the time when deleting a job meant nothing to its pods.
    defaultPropagation: 'orphan',
    prepareForCreate(object) {
      if (!object.spec.manualSelector) generateSelector(object);
      copyTemplateLabels(object);
    },
    validate: validateJob,
    validateUpdate: validateJobUpdate,
    selectableFields: ({ status }) => ({ 'status.successful': String(status?.succeeded ?? 0) }),
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      statusOf(object),
      completionsCell(object),
      durationCell(object.status, now),
      ageOf(object, now),
      ...containerCells(object.spec?.template?.spec),
      selectorCell(object.spec?.selector),
    ],
  },
};

const backoffLimitUnlimited = 2_147_483_647;

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  // Neither said: one pod, once. Only parallelism said: a work queue, which has no number of completions.
  if (isUnset(spec.completions) && isUnset(spec.parallelism)) spec.completions = 1;
  setDefault(spec, 'parallelism', 1);
  setDefault(spec, 'backoffLimit', isUnset(spec.backoffLimitPerIndex) ? 6 : backoffLimitUnlimited);
  setPodTemplateDefaults(ensure(spec, 'template'));
  copyTemplateLabels(object);
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'manualSelector', false);
  setDefault(spec, 'podReplacementPolicy', spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed');
  for (const rule of each(spec.podFailurePolicy?.rules))
    for (const pattern of each(rule.onPodConditions)) setDefault(pattern, 'status', 'True');
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null;
}

function copyTemplateLabels(object: KubeObject): void {
  const labels = object.spec.template.metadata?.labels;
  if (labels && Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels };
}

/** Pods are picked by the job's uid; the labels without a prefix are what older clients look for. */
function generateSelector(object: KubeObject): void {
  const { name = '', uid = '' } = object.metadata;
  const labels = ensure(ensure(object.spec.template, 'metadata'), 'labels');
  Object.assign(labels, {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  });
  const selector = ensure(object.spec, 'selector');
  ensure(selector, 'matchLabels')['batch.kubernetes.io/controller-uid'] = uid;
}

function statusOf({ metadata, status }: KubeObject): string {
  const holds = (type: string) => each(status?.conditions).some((c) => c.type === type && c.status === 'True');
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(holds) ?? 'Running';
}

function completionsCell({ spec, status }: KubeObject): string {
  const succeeded = status?.succeeded ?? 0;
  if (!isUnset(spec?.completions)) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationCell(status: Fields, now: number): string {
  const start = parseTime(status?.startTime);
  return start === undefined ? '' : formatAge((parseTime(status.completionTime) ?? now) - start);
}
