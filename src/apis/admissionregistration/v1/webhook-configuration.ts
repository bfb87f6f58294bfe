import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Strategy } from '../../kind.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { inRange, oneOf, qualifiedName } from '../../validation/values.ts';
import { setRuleDefaults, validateRule } from './rule.ts';

const strategy: Strategy = {
  hasGeneration: true,
  generationOf: (object) => object.webhooks,
  allowUnconditionalUpdate: false,
  validate,
  validateUpdate: validate,
  tableRow: (object, now) => [object.metadata.name ?? '', each(object.webhooks).length, ageOf(object, now)],
};

export const validatingWebhookConfiguration: KindModule = {
  definition: {
    setDefaults(object) {
      for (const webhook of each(object.webhooks)) setWebhookDefaults(webhook);
    },
  },
  strategy,
};

export const mutatingWebhookConfiguration: KindModule = {
  definition: {
    setDefaults(object) {
      for (const webhook of each(object.webhooks)) {
        setWebhookDefaults(webhook);
        setDefault(webhook, 'reinvocationPolicy', 'Never');
      }
    },
  },
  strategy,
};

const timeoutSecondsDefault = 10;
const timeoutSecondsMax = 30;

function setWebhookDefaults(webhook: Fields): void {
  if (webhook.clientConfig?.service) setDefault(webhook.clientConfig.service, 'port', 443);
  for (const rule of each(webhook.rules)) setRuleDefaults(rule);
  setDefault(webhook, 'failurePolicy', 'Fail');
  setDefault(webhook, 'matchPolicy', 'Equivalent');
  ensure(webhook, 'namespaceSelector');
  ensure(webhook, 'objectSelector');
  setDefault(webhook, 'timeoutSeconds', timeoutSecondsDefault);
}

function validate(object: KubeObject): FieldError[] {
  const names = new Set<string>();
  return each(object.webhooks).flatMap((webhook, i) => {
    const at = `webhooks[${i}]`;
    const errors = validateWebhook(webhook, at);
    if (names.has(webhook.name)) errors.push(fieldError.duplicate(`${at}.name`, webhook.name));
    names.add(webhook.name);
    return errors;
  });
}

function validateWebhook(webhook: Fields, field: string): FieldError[] {
  const { name = '', clientConfig = {} } = webhook;
  const errors = validateWebhookName(name, `${field}.name`);
  each(webhook.rules).forEach((rule, i) => {
    errors.push(...validateRule(rule, `${field}.rules[${i}]`));
  });
  errors.push(...oneOf(`${field}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore']));
  errors.push(...oneOf(`${field}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact']));
  if (!webhook.sideEffects)
    errors.push(fieldError.required(`${field}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  else errors.push(...oneOf(`${field}.sideEffects`, webhook.sideEffects, ['None', 'NoneOnDryRun']));
  const seconds = webhook.timeoutSeconds;
  if (inRange('', seconds, 1, timeoutSecondsMax).length > 0)
    errors.push(
      fieldError.invalid(`${field}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds'),
    );
  errors.push(...validateLabelSelector(webhook.namespaceSelector, `${field}.namespaceSelector`));
  errors.push(...validateLabelSelector(webhook.objectSelector, `${field}.objectSelector`));
  errors.push(...validateClientConfig(clientConfig, `${field}.clientConfig`));
  if (!webhook.admissionReviewVersions?.length)
    errors.push(fieldError.required(`${field}.admissionReviewVersions`, 'must specify one of v1, v1beta1'));
  return errors;
}

function validateWebhookName(name: string, field: string): FieldError[] {
  if (!name) return [fieldError.required(field)];
  const errors = qualifiedName(field, name);
  if (name.split('.').length < 3)
    errors.push(fieldError.invalid(field, name, 'should be a domain with at least three segments separated by dots'));
  return errors;
}

export function validateClientConfig({ url, service }: Fields, field: string): FieldError[] {
  if (Boolean(url) === Boolean(service))
    return [fieldError.required(field, 'exactly one of url or service is required')];
  if (url) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed) return [fieldError.required(`${field}.url`, 'url must be a valid URL: https://host/path')];
    return parsed.protocol === 'https:'
      ? []
      : [
          fieldError.invalid(
            `${field}.url`,
            parsed.protocol.slice(0, -1),
            "'https' is the only allowed URL scheme; desired format: https://host[/path]",
          ),
        ];
  }
  const errors: FieldError[] = [];
  if (!service.name) errors.push(fieldError.required(`${field}.service.name`, 'service name is required'));
  if (!service.namespace)
    errors.push(fieldError.required(`${field}.service.namespace`, 'service namespace is required'));
  return errors;
}
