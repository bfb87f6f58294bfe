/** The flags by which `render` and `alerts` choose the rules' bounds. */
import { type FlagSpec, type ParsedFlags, UsageError } from '#base/flags.ts';
import { type RuleOptions, ruleDefaults } from '#checks/alerts/rule-options.ts';
import type { ControlPlaneSpec } from '#controlplane/spec.ts';
import { majorityOf } from '#controlplane/store-spec.ts';

export const ruleFlags: readonly FlagSpec[] = [
  {
    name: 'latency',
    kind: 'duration',
    description: 'alert when the P99 of API requests is above this',
    default: '1s',
    min: 1,
  },
  {
    name: 'error-percent',
    kind: 'string',
    description: 'alert when more of the API requests than this are answered with 5xx',
    default: '1',
  },
  {
    name: 'scheduling-attempts',
    kind: 'int',
    description: 'alert when a pod was tried more often than this',
    default: '5',
    min: 1,
  },
  {
    name: 'objective-percent',
    kind: 'string',
    description: 'so many requests are to be answered without 5xx, and fast: the burn rates are counted from it',
    default: '99',
  },
  {
    name: 'apiservers-min',
    kind: 'int',
    description: 'alert when fewer API servers answer: as many as the load needs, and one more (default: all masters)',
    min: 1,
  },
  {
    name: 'store-latency',
    kind: 'duration',
    description: 'alert when the P99 of requests to the store is above this',
    default: '500ms',
    min: 1,
  },
  {
    name: 'certificate-expiry',
    kind: 'duration',
    description: 'alert when a certificate expires within this; a seventh of it before the end it is critical',
    default: '168h',
    min: 60_000,
  },
  {
    name: 'clock-skew',
    kind: 'duration',
    description: 'alert when clocks differ by more',
    default: '2s',
    min: 100,
  },
];

/** `spec` undefined: it is not known what the control plane consists of. */
export function ruleOptionsOf(parsed: ParsedFlags, spec: ControlPlaneSpec | undefined): RuleOptions {
  return {
    ...ruleDefaults,
    latencySeconds: parsed.durationMs('latency') / 1000,
    errorRatio: shareOf(parsed, 'error-percent'),
    schedulingAttempts: parsed.int('scheduling-attempts'),
    objective: shareOf(parsed, 'objective-percent'),
    apiserversMin: parsed.has('apiservers-min') ? parsed.int('apiservers-min') : (spec?.masters.length ?? 1),
    storeMembersMin: spec ? majorityOf(spec.store.members.length) : 1,
    storeLatencySeconds: parsed.durationMs('store-latency') / 1000,
    certificateExpiryMs: parsed.durationMs('certificate-expiry'),
    clockSkewSeconds: parsed.durationMs('clock-skew') / 1000,
  };
}

function shareOf(parsed: ParsedFlags, flag: string): number {
  const text = parsed.string(flag);
  const percent = Number(text);
  if (text.trim() === '' || !(percent > 0 && percent < 100)) {
    throw new UsageError(`--${flag} takes a number between 0 and 100, not ${JSON.stringify(text)}`);
  }
  return Number((percent / 100).toPrecision(12));
}
