import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { each, ensure, setDefault } from '../../set-default.ts';
import { ageOf, ageSince, containerCells, none } from '../../table-cells.ts';
import { nonNegative, oneOf } from '../../validation/values.ts';
import { cronScheduleError } from './cron-schedule.ts';
import { validateJobSpec } from './job-validation.ts';

/** A job's name is its cron job's, a dash and ten digits: together at most 63. */
const nameMax = 52;

export const cronJob: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    validate(object) {
      const { name = '' } = object.metadata;
      const errors = validateSpec(object);
      if (name.length > nameMax)
        errors.push(fieldError.invalid('metadata.name', name, `must be no more than ${nameMax} characters`));
      return errors;
    },
    validateUpdate: validateSpec,
    tableRow: (object, now) => {
      const { spec, status } = object;
      return [
        object.metadata.name ?? '',
        spec?.schedule ?? '',
        spec?.timeZone ?? none,
        spec?.suspend ? 'True' : 'False',
        each(status?.active).length,
        status?.lastScheduleTime ? ageSince(status.lastScheduleTime, now) : none,
        ageOf(object, now),
        ...containerCells(spec?.jobTemplate?.spec?.template?.spec),
        none,
      ];
    },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'concurrencyPolicy', 'Allow');
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'successfulJobsHistoryLimit', 3);
  setDefault(spec, 'failedJobsHistoryLimit', 1);
  // What a job fills in, it fills in when it is made.
  const jobTemplate = ensure(spec, 'jobTemplate');
  ensure(jobTemplate, 'metadata');
  setPodTemplateDefaults(ensure(ensure(jobTemplate, 'spec'), 'template'));
}

function validateSpec({ spec }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { schedule = '' } = spec;
  if (!schedule) errors.push(fieldError.required('spec.schedule'));
  else if (schedule.includes('TZ'))
    errors.push(
      fieldError.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    );
  else {
    const error = cronScheduleError(schedule);
    if (error) errors.push(fieldError.invalid('spec.schedule', schedule, error));
  }
  errors.push(...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds));
  errors.push(...validateTimeZone(spec.timeZone));
  errors.push(...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']));
  errors.push(...validateJobSpec(spec.jobTemplate.spec, 'spec.jobTemplate.spec'));
  errors.push(...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit));
  errors.push(...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit));
  return errors;
}

function validateTimeZone(timeZone: string | undefined | null): FieldError[] {
  if (timeZone === undefined || timeZone === null) return [];
  const field = 'spec.timeZone';
  if (timeZone === '') return [fieldError.invalid(field, timeZone, 'timeZone must be nil or non-empty string')];
  if (timeZone.toLowerCase() === 'local')
    return [
      fieldError.invalid(
        field,
        timeZone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    ];
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return [];
  } catch {
    return [fieldError.invalid(field, timeZone, `unknown time zone ${timeZone}`)];
  }
}
