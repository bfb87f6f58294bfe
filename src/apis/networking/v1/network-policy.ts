import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, selectorCell } from '../../table-cells.ts';
import { cidr, parseCidr, within } from '../../validation/ip.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { oneOf, portNumberOrName } from '../../validation/values.ts';

export const networkPolicy: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => [object.metadata.name ?? '', selectorCell(object.spec?.podSelector), ageOf(object, now)],
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  for (const rule of [...each(spec.ingress), ...each(spec.egress)])
    for (const port of each(rule.ports)) setDefault(port, 'protocol', 'TCP');
  if (!spec.policyTypes?.length) spec.policyTypes = each(spec.egress).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function validate({ spec }: KubeObject): FieldError[] {
  const errors = validateLabelSelector(spec.podSelector, 'spec.podSelector');
  for (const [direction, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    each(spec[direction]).forEach((rule, i) => {
      const at = `spec.${direction}[${i}]`;
      each(rule.ports).forEach((port, j) => {
        errors.push(...validatePort(port, `${at}.ports[${j}]`));
      });
      each(rule[peers]).forEach((peer, j) => {
        errors.push(...validatePeer(peer, `${at}.${peers}[${j}]`));
      });
    });
  }
  const types: string[] = spec.policyTypes ?? [];
  if (types.length > 2)
    return [...errors, fieldError.invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  types.forEach((type, i) => {
    errors.push(...oneOf(`spec.policyTypes[${i}]`, type, ['Ingress', 'Egress']));
  });
  return errors;
}

function validatePort({ port, endPort, protocol }: Fields, field: string): FieldError[] {
  const errors = oneOf(`${field}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
  const given = port !== undefined && port !== null;
  if (given) errors.push(...portNumberOrName(`${field}.port`, port));
  if (typeof endPort !== 'number') return errors;
  const at = `${field}.endPort`;
  if (!given) errors.push(fieldError.invalid(at, endPort, 'may not be specified when `port` is not specified'));
  else if (typeof port === 'string')
    errors.push(fieldError.invalid(at, endPort, 'may not be specified when `port` is non-numeric'));
  else if (endPort < port)
    // The value upstream shows is the port's.
    errors.push(fieldError.invalid(at, port, 'must be greater than or equal to `port`'));
  return errors;
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: Fields, field: string): FieldError[] {
  const errors = [
    ...validateLabelSelector(podSelector, `${field}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`),
    ...(ipBlock ? validateBlock(ipBlock, `${field}.ipBlock`) : []),
  ];
  if (ipBlock && (podSelector || namespaceSelector))
    errors.push(fieldError.forbidden(field, 'may not specify both ipBlock and another peer'));
  if (!ipBlock && !podSelector && !namespaceSelector) errors.push(fieldError.required(field, 'must specify a peer'));
  return errors;
}

function validateBlock(block: Fields, field: string): FieldError[] {
  if (!block.cidr) return [fieldError.required(`${field}.cidr`)];
  const errors = cidr(`${field}.cidr`, block.cidr);
  const outer = parseCidr(block.cidr);
  if (!outer) return errors;
  ((block.except ?? []) as string[]).forEach((text, i) => {
    const at = `${field}.except[${i}]`;
    const inner = parseCidr(text);
    if (!inner) errors.push(...cidr(at, text));
    else if (!within(inner, outer) || inner.prefix === outer.prefix)
      errors.push(fieldError.invalid(at, text, 'must be a strict subset of `cidr`'));
  });
  return errors;
}
