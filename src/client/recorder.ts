import type { KubeObject } from '#apimachinery/object.ts';

/**
 * Records Events about objects, as client-go's recorder: never blocks, never throws, aggregates repeats (count), drops
 * when its bounded queue is full.
 */
export interface EventRecorder {
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}
