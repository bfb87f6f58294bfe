/** Label selectors: the parsed form that list, watch, controllers and the scheduler match with. */
import { isInt64, type LabelRequirement, parseLabelRequirements, SelectorSyntaxError } from './label-parser.ts';

export { type LabelOperator, type LabelRequirement, SelectorSyntaxError } from './label-parser.ts';

export interface LabelSelector {
  /** All must hold. Empty: everything matches. */
  readonly requirements: readonly LabelRequirement[];
  /** An absent LabelSelector object selects nothing, an empty one everything. */
  readonly matchesNothing: boolean;
}

export type Labels = Readonly<Record<string, string>>;

export const everything: LabelSelector = { requirements: [], matchesNothing: false };
export const nothing: LabelSelector = { requirements: [], matchesNothing: true };

/** Throws SelectorSyntaxError with upstream's text. */
export function parseLabelSelector(text: string): LabelSelector {
  return text === '' ? everything : { requirements: parseLabelRequirements(text), matchesNothing: false };
}

export function matchesLabels(selector: LabelSelector, labels: Labels | undefined | null): boolean {
  if (selector.matchesNothing) return false;
  const { requirements } = selector;
  for (let i = 0; i < requirements.length; i++) {
    if (!holds(requirements[i]!, labels ?? noLabels)) return false;
  }
  return true;
}
const noLabels: Labels = {};

/** Every given label must be there with its value: Service.spec.selector, ReplicationController.spec.selector. */
export function labelSelectorFromMap(labels: Labels | undefined | null): LabelSelector {
  const requirements = Object.entries(labels ?? {}).map(([key, value]): LabelRequirement => {
    return { key, operator: '=', values: [value] };
  });
  return { requirements: requirements.sort(byKey), matchesNothing: false };
}

/** metav1.LabelSelector, as specs hold it. */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** Undefined or null selects nothing. Throws SelectorSyntaxError for an operator that does not exist. */
export function labelSelectorFromObject(object: LabelSelectorObject | undefined | null): LabelSelector {
  if (object === undefined || object === null) return nothing;
  const requirements = [...labelSelectorFromMap(object.matchLabels).requirements];
  for (const { key, operator, values } of object.matchExpressions ?? []) {
    const textOperator = expressionOperators[operator];
    if (!textOperator)
      throw new SelectorSyntaxError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push({ key, operator: textOperator, values: [...new Set(values ?? [])].sort() });
  }
  return { requirements: requirements.sort(byKey), matchesNothing: false };
}
const expressionOperators: Record<string, LabelRequirement['operator'] | undefined> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** The text form, which parses to an equal selector. */
export function formatLabelSelector(selector: LabelSelector): string {
  return selector.requirements.map(formatRequirement).join(',');
}

/** As tables show it: `<none>` where nothing is asked for. */
export function formatLabelSelectorObject(object: LabelSelectorObject | undefined | null): string {
  return formatLabelSelector(labelSelectorFromObject(object)) || '<none>';
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const has = Object.hasOwn(labels, key);
  switch (operator) {
    case '=':
    case '==':
      return has && labels[key] === values[0];
    case 'in':
      return has && values.includes(labels[key]!);
    case '!=':
      return !has || labels[key] !== values[0];
    case 'notin':
      return !has || !values.includes(labels[key]!);
    case 'exists':
      return has;
    case '!':
      return !has;
    case 'gt':
      return has && isInt64(labels[key]!) && BigInt(labels[key]!) > BigInt(values[0]!);
    case 'lt':
      return has && isInt64(labels[key]!) && BigInt(labels[key]!) < BigInt(values[0]!);
  }
}

function byKey(a: LabelRequirement, b: LabelRequirement): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
