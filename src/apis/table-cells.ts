/** How the cells of tables are written, for all kinds. */
import type { KubeObject } from '#apimachinery/object.ts';
import { formatLabelSelectorObject } from '#apimachinery/selector/labels.ts';
import { formatAge, parseTime } from '#apimachinery/time.ts';
import { each, type Fields } from './set-default.ts';

export const none = '<none>';
export const unknown = '<unknown>';

export function ageOf(object: KubeObject, now: number): string {
  return ageSince(object.metadata.creationTimestamp, now);
}

export function ageSince(time: string | null | undefined, now: number): string {
  const ms = parseTime(time);
  return ms === undefined ? unknown : formatAge(now - ms);
}

/** Names and images of a pod template's containers. */
export function containerCells(podSpec: Fields): [names: string, images: string] {
  const containers = each(podSpec?.containers);
  return [containers.map((c) => c.name).join(','), containers.map((c) => c.image).join(',')];
}

/** A LabelSelector object. */
export function selectorCell(selector: Fields): string {
  try {
    return formatLabelSelectorObject(selector);
  } catch {
    return '<error>';
  }
}

/** A plain map, `a=b,c=d`. */
export function labelsCell(labels: Record<string, string> | undefined | null): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${value}`).join(',') || none;
}
