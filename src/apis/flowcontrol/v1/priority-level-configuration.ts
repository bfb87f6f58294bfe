import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure, type Fields, setDefault, setDefaultNumber } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { inRange, nonNegative, oneOf } from '../../validation/values.ts';

export const priorityLevelConfiguration: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => {
      const { type = '', limited } = object.spec ?? {};
      const queuing = limited?.limitResponse?.queuing;
      return [
        object.metadata.name ?? '',
        type,
        limited?.nominalConcurrencyShares ?? none,
        queuing ? String(queuing.queues) : none,
        queuing ? String(queuing.handSize) : none,
        queuing ? String(queuing.queueLengthLimit) : none,
        ageOf(object, now),
      ];
    },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  if (spec.exempt) {
    setDefault(spec.exempt, 'nominalConcurrencyShares', 0);
    setDefault(spec.exempt, 'lendablePercent', 0);
  }
  if (!spec.limited) return;
  setDefault(spec.limited, 'nominalConcurrencyShares', 30);
  setDefault(spec.limited, 'lendablePercent', 0);
  const queuing = spec.limited.limitResponse?.queuing;
  if (!queuing) return;
  setDefaultNumber(queuing, 'queues', 64);
  setDefaultNumber(queuing, 'handSize', 8);
  setDefaultNumber(queuing, 'queueLengthLimit', 50);
}

function validate({ metadata, spec = {} }: KubeObject): FieldError[] {
  const { type = '', limited, exempt } = spec;
  const errors = oneOf('spec.type', type, ['Exempt', 'Limited']);
  if (type === 'Exempt') {
    if (limited) errors.push(fieldError.forbidden('spec.limited', 'must be nil if the type is not Limited'));
    if (metadata.name !== 'exempt')
      errors.push(fieldError.invalid('spec.type', type, "must be 'Limited' if `name` is not 'exempt'"));
  } else if (type === 'Limited') {
    if (exempt) errors.push(fieldError.forbidden('spec.exempt', 'must be nil if the type is Limited'));
    if (!limited) errors.push(fieldError.required('spec.limited', 'must not be empty when type is Limited'));
    else errors.push(...validateLimited(limited));
  }
  return errors;
}

const percentMax = 100;

function validateLimited(limited: Fields): FieldError[] {
  const { type = '', queuing } = limited.limitResponse ?? {};
  const field = 'spec.limited.limitResponse';
  const errors = [
    ...nonNegative('spec.limited.nominalConcurrencyShares', limited.nominalConcurrencyShares),
    ...inRange('spec.limited.lendablePercent', limited.lendablePercent, 0, percentMax),
    ...oneOf(`${field}.type`, type, ['Queue', 'Reject']),
  ];
  if (type === 'Reject' && queuing)
    errors.push(fieldError.forbidden(`${field}.queuing`, 'must be nil if limited.limitResponse.type is not Limited'));
  if (type === 'Queue') {
    if (!queuing)
      errors.push(
        fieldError.required(`${field}.queuing`, 'must not be empty if limited.limitResponse.type is Limited'),
      );
    else errors.push(...validateQueuing(`${field}.queuing`, queuing));
  }
  return errors;
}

const queuesMax = 10_000_000;
/** As many bits as upstream deals a hand from. */
const handEntropyBitsMax = 60;

function validateQueuing(field: string, { queues, handSize, queueLengthLimit }: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (queueLengthLimit <= 0)
    errors.push(fieldError.invalid(`${field}.queueLengthLimit`, queueLengthLimit, 'must be positive'));
  if (queues <= 0) errors.push(fieldError.invalid(`${field}.queues`, queues, 'must be positive'));
  if (queues > queuesMax)
    errors.push(fieldError.invalid(`${field}.queues`, queues, `must not be greater than ${queuesMax}`));
  if (handSize <= 0) errors.push(fieldError.invalid(`${field}.handSize`, handSize, 'must be positive'));
  if (handSize > queues) {
    errors.push(fieldError.invalid(`${field}.handSize`, handSize, `should not be greater than queues (${queues})`));
  } else if (entropyBits(queues, handSize) > handEntropyBitsMax) {
    const why = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${handEntropyBitsMax}`;
    errors.push(fieldError.invalid(`${field}.handSize`, handSize, why));
  }
  return errors;
}

/** Of one way to draw so many different ones, in order. Stops as soon as it is too much. */
function entropyBits(deckSize: number, handSize: number): number {
  let bits = 0;
  for (let i = 0; i < handSize && bits <= handEntropyBitsMax; i++) bits += Math.log2(deckSize - i);
  return bits;
}
