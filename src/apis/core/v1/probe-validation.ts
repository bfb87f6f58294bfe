import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { nonNegative, oneOf, portNumber, portNumberOrName } from '../../validation/values.ts';

export function validateProbe(probe: Fields, field: string, use: 'liveness' | 'readiness' | 'startup'): FieldError[] {
  if (!probe) return [];
  const errors = validateHandler(probe, field, ['exec', 'httpGet', 'tcpSocket', 'grpc']);
  for (const name of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'])
    errors.push(...nonNegative(`${field}.${name}`, probe[name]));
  const grace = probe.terminationGracePeriodSeconds;
  if (typeof grace === 'number' && grace <= 0)
    errors.push(fieldError.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  if (use === 'readiness') {
    if (typeof grace === 'number')
      errors.push(
        fieldError.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'),
      );
  } else if (probe.successThreshold !== 1)
    errors.push(fieldError.invalid(`${field}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'));
  return errors;
}

export function validateLifecycle(container: Fields, field: string, graceSeconds: number | undefined): FieldError[] {
  return ['postStart', 'preStop'].flatMap((hook) => {
    const handler = container.lifecycle?.[hook];
    if (!handler) return [];
    const at = `${field}.lifecycle.${hook}`;
    const errors = validateHandler(handler, at, ['exec', 'httpGet', 'tcpSocket', 'sleep']);
    const seconds = handler.sleep?.seconds ?? 0;
    const alone = handler.sleep && !handler.exec && !handler.httpGet && !handler.tcpSocket;
    if (alone && (seconds < 0 || seconds > (graceSeconds ?? 30)))
      errors.push(
        fieldError.invalid(
          `${at}.sleep.seconds`,
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds ?? 30})`,
        ),
      );
    return errors;
  });
}

/** Exactly one of the ways to ask a container; the first one counts. */
function validateHandler(handler: Fields, field: string, ways: readonly string[]): FieldError[] {
  const given = ways.filter((way) => handler[way]);
  if (given.length === 0) return [fieldError.required(field, 'must specify a handler type')];
  return given.flatMap((way, i) =>
    i > 0
      ? [fieldError.forbidden(`${field}.${way}`, 'may not specify more than 1 handler type')]
      : validateWay(way, handler[way], `${field}.${way}`),
  );
}

function validateWay(way: string, action: Fields, field: string): FieldError[] {
  switch (way) {
    case 'exec':
      return action.command?.length ? [] : [fieldError.required(`${field}.command`)];
    case 'httpGet':
      return [
        ...(action.path ? [] : [fieldError.required(`${field}.path`)]),
        ...portNumberOrName(`${field}.port`, action.port),
        ...oneOf(`${field}.scheme`, action.scheme, ['HTTP', 'HTTPS']),
        ...each(action.httpHeaders).flatMap((header, i) =>
          /^[-A-Za-z0-9]+$/.test(header.name ?? '')
            ? []
            : [
                fieldError.invalid(
                  `${field}.httpHeaders[${i}].name`,
                  header.name ?? '',
                  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
                ),
              ],
        ),
      ];
    case 'tcpSocket':
      return portNumberOrName(`${field}.port`, action.port);
    case 'grpc':
      return portNumber(`${field}.port`, action.port);
    default:
      return [];
  }
}
