import type { KindModule } from '../../built-in-kinds.ts';
import { setDefault } from '../../set-default.ts';

export const secret: KindModule = {
  definition: { setDefaults: (object) => setDefault(object, 'type', 'Opaque') },
};
