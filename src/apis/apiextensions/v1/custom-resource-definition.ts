import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { validateDefinition, validateDefinitionUpdate } from './definition-validation.ts';

export const customResourceDefinition: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    prepareForCreate(object) {
      const stored = each(object.spec.versions).find((version) => version.storage);
      object.status.storedVersions = stored ? [stored.name] : null;
    },
    /** A version that is stored now, or ever was, must stay readable. */
    prepareForUpdate(object) {
      const stored: string[] = object.status?.storedVersions ?? [];
      const now = each(object.spec.versions).find((version) => version.storage)?.name;
      // The status is the old object's own: a copy takes the change.
      if (now && !stored.includes(now)) object.status = { ...object.status, storedVersions: [...stored, now] };
    },
    validate: validateDefinition,
    validateUpdate: validateDefinitionUpdate,
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'scope', 'Namespaced');
  const names = ensure(spec, 'names');
  if (names.kind) {
    setDefault(names, 'singular', names.kind.toLowerCase());
    setDefault(names, 'listKind', `${names.kind}List`);
  }
  const conversion = ensure(spec, 'conversion');
  setDefault(conversion, 'strategy', 'None');
  setServicePort(conversion.webhook?.clientConfig?.service);
}

function setServicePort(service: Fields): void {
  if (service) setDefault(service, 'port', 443);
}
