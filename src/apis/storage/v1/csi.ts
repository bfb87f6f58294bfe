/** CSIDriver, CSINode and CSIStorageCapacity: what storage drivers say of themselves. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, setDefault } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { nonNegativeQuantity } from '../../validation/quantities.ts';
import { dnsSubdomain, oneOf } from '../../validation/values.ts';

const driverNameMax = 63;

export const csiDriver: KindModule = {
  definition: {
    setDefaults(object) {
      const spec = ensure(object, 'spec');
      setDefault(spec, 'attachRequired', true);
      for (const field of ['podInfoOnMount', 'storageCapacity', 'requiresRepublish', 'seLinuxMount'])
        setDefault(spec, field, false);
      setDefault(spec, 'fsGroupPolicy', 'ReadWriteOnceWithFSType');
      if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    },
  },
  strategy: {
    allowUnconditionalUpdate: false,
    validate: validateDriver,
    validateUpdate: (object, old) => [
      ...validateDriver(object),
      ...immutable('spec.attachRequired', object.spec?.attachRequired, old.spec?.attachRequired),
      ...immutable('spec.volumeLifecycleModes', object.spec?.volumeLifecycleModes, old.spec?.volumeLifecycleModes),
    ],
    tableRow: (object, now) => {
      const { spec = {} } = object;
      return [
        object.metadata.name ?? '',
        spec.attachRequired ?? true,
        spec.podInfoOnMount ?? false,
        spec.storageCapacity ?? false,
        each(spec.tokenRequests)
          .map((request) => request.audience)
          .join(',') || '<unset>',
        spec.requiresRepublish ?? false,
        (spec.volumeLifecycleModes ?? []).join(',') || none,
        ageOf(object, now),
      ];
    },
  },
};

function validateDriver({ metadata, spec = {} }: KubeObject): FieldError[] {
  const { name = '' } = metadata;
  const errors = name.length > driverNameMax ? [fieldError.tooLong('metadata.name', driverNameMax)] : [];
  return [
    ...errors,
    ...oneOf('spec.fsGroupPolicy', spec.fsGroupPolicy, ['ReadWriteOnceWithFSType', 'File', 'None']),
    ...((spec.volumeLifecycleModes ?? []) as string[]).flatMap((mode) =>
      oneOf('spec.volumeLifecycleModes', mode, ['Persistent', 'Ephemeral']),
    ),
  ];
}

export const csiNode: KindModule = {
  strategy: {
    allowUnconditionalUpdate: false,
    validate: validateNode,
    validateUpdate: validateNode,
    tableRow: (object, now) => [object.metadata.name ?? '', each(object.spec?.drivers).length, ageOf(object, now)],
  },
};

function validateNode({ spec }: KubeObject): FieldError[] {
  const names = new Set<string>();
  return each(spec?.drivers).flatMap(({ name = '', nodeID }, i) => {
    const at = `spec.drivers[${i}]`;
    const errors = name ? dnsSubdomain(`${at}.name`, name.toLowerCase()) : [fieldError.required(`${at}.name`)];
    if (!nodeID) errors.push(fieldError.required(`${at}.nodeID`));
    if (names.has(name)) errors.push(fieldError.duplicate(`${at}.name`, name));
    names.add(name);
    return errors;
  });
}

export const csiStorageCapacity: KindModule = {
  strategy: {
    allowUnconditionalUpdate: false,
    validate: (object) => [
      ...validateLabelSelector(object.nodeTopology, 'nodeTopology'),
      ...dnsSubdomain('storageClassName', object.storageClassName ?? ''),
      ...nonNegativeQuantity('capacity', object.capacity),
    ],
    validateUpdate: (object, old) => [
      ...immutable('nodeTopology', object.nodeTopology, old.nodeTopology),
      ...immutable('storageClassName', object.storageClassName, old.storageClassName),
    ],
  },
};
