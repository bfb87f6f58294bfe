import type { KindFolder } from '../../built-in-kinds.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';

export const autoscalingV1: KindFolder = { horizontalpodautoscalers: horizontalPodAutoscaler };
