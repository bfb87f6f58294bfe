import type { KindModule } from '../../built-in-kinds.ts';

export const configMap: KindModule = {};
