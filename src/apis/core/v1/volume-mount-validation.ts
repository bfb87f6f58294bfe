import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { descendingPath } from './volume-validation.ts';

export function validateVolumeMounts(container: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const paths = new Set<string>();
  return each(container.volumeMounts).flatMap((mount, i) => {
    const at = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(fieldError.required(`${at}.name`));
    else if (!volumes.has(mount.name)) errors.push(fieldError.notFound(`${at}.name`, mount.name));
    if (!mount.mountPath) errors.push(fieldError.required(`${at}.mountPath`));
    if (paths.has(mount.mountPath))
      errors.push(fieldError.invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    // Upstream's path of these two names no element.
    if (mount.subPath) errors.push(...descendingPath(`${field}.subPath`, mount.subPath));
    if (mount.subPathExpr) {
      if (mount.subPath)
        errors.push(
          fieldError.invalid(
            `${field}.subPathExpr`,
            mount.subPathExpr,
            'subPathExpr and subPath are mutually exclusive',
          ),
        );
      errors.push(...descendingPath(`${field}.subPathExpr`, mount.subPathExpr));
    }
    return errors;
  });
}

export function validateVolumeDevices(container: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  return each(container.volumeDevices).flatMap((device, i) => {
    const at = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (!device.name) errors.push(fieldError.required(`${at}.name`));
    else if (!volumes.has(device.name)) errors.push(fieldError.notFound(`${at}.name`, device.name));
    if (!device.devicePath) errors.push(fieldError.required(`${at}.devicePath`));
    return errors;
  });
}
