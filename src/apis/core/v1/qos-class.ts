import { each, type Fields } from '../../set-default.ts';
import { quantityOf } from '../../validation/quantities.ts';

/** How a pod fares when its node runs short: by what its containers ask for and are limited to. */
export function qosClassOf(spec: Fields): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const all = [...each(spec?.initContainers), ...each(spec?.containers)].map((container) => container.resources ?? {});
  // Resources for the whole pod stand before those of its containers.
  const resources = spec?.resources?.limits || spec?.resources?.requests ? [spec.resources] : all;
  const asks = resources.some((r) => computeResources.some((name) => has(r.requests, name) || has(r.limits, name)));
  if (!asks) return 'BestEffort';
  const guaranteed = resources.every((r) =>
    computeResources.every(
      (name) => has(r.limits, name) && sameAmount(r.requests?.[name] ?? r.limits[name], r.limits[name]),
    ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const computeResources = ['cpu', 'memory'];

function has(amounts: Fields, name: string): boolean {
  return amounts?.[name] !== undefined && quantityOf(amounts[name]).nanos > 0n;
}

function sameAmount(a: string, b: string): boolean {
  return quantityOf(a).nanos === quantityOf(b).nanos;
}
