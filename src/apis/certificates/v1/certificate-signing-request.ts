import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { formatAge, formatTime } from '#apimachinery/time.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';

const expirationSecondsMin = 600;

export const certificateSigningRequest: KindModule = {
  strategy: {
    /** Who asks is the server's word, not the client's: approvers go by it. */
    prepareForCreate({ spec = {} }, { name, uid, groups, extra }) {
      Object.assign(spec, { username: name, uid, groups, extra });
    },
    prepareForStatusUpdate: setConditionTimes,
    /** The request stays as it was made; decisions go through the subresources. */
    prepareForUpdate(object, old) {
      object.spec = old.spec;
    },
    validate,
    validateStatusUpdate: (object) => validateConditions(object),
    selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
    tableRow: (object, now) => {
      const { spec = {} } = object;
      const { expirationSeconds } = spec;
      return [
        object.metadata.name ?? '',
        ageOf(object, now),
        spec.signerName || none,
        spec.username ?? '',
        typeof expirationSeconds === 'number' ? formatAge(expirationSeconds * 1000) : none,
        conditionCell(object),
      ];
    },
  },
};

/** In place: a condition is dated by the server where its author did not. */
function setConditionTimes(object: KubeObject, old: KubeObject, now: number): void {
  for (const condition of each(object.status?.conditions)) {
    condition.lastUpdateTime ||= formatTime(now);
    if (condition.lastTransitionTime) continue;
    const before = each(old.status?.conditions).find((c) => c.type === condition.type && c.status === condition.status);
    condition.lastTransitionTime = before?.lastTransitionTime ?? formatTime(now);
  }
}

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.request) errors.push(fieldError.required('spec.request'));
  if (!spec.usages?.length) errors.push(fieldError.required('spec.usages'));
  const { signerName = '', expirationSeconds } = spec;
  if (!signerName) errors.push(fieldError.required('spec.signerName'));
  else if (!signerName.includes('/') || !signerName.split('/')[0].includes('.'))
    errors.push(
      fieldError.invalid(
        'spec.signerName',
        signerName,
        'must be a fully qualified domain and path of the form "example.com/signer-name"',
      ),
    );
  if (typeof expirationSeconds === 'number' && expirationSeconds < expirationSecondsMin)
    errors.push(
      fieldError.invalid(
        'spec.expirationSeconds',
        expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      ),
    );
  return errors;
}

function validateConditions({ status }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const types = new Set<string>();
  each(status?.conditions).forEach(({ type = '', status: holds }, i) => {
    const at = `status.conditions[${i}]`;
    if (!type) errors.push(fieldError.required(`${at}.type`));
    if ((type === 'Approved' || type === 'Denied' || type === 'Failed') && holds !== 'True')
      errors.push(fieldError.notSupported(`${at}.status`, holds ?? '', ['True']));
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && types.has(opposite))
      errors.push(
        fieldError.invalid('status.conditions', type, 'Approved and Denied conditions are mutually exclusive'),
      );
    if (types.has(type)) errors.push(fieldError.duplicate(`${at}.type`, type));
    types.add(type);
  });
  return errors;
}

function conditionCell({ status }: KubeObject): string {
  const has = (type: string) => each(status?.conditions).some((condition) => condition.type === type);
  let text = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  if (has('Failed')) text += ',Failed';
  return status?.certificate ? `${text},Issued` : text;
}
