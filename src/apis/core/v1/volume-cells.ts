const shortModes: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** `RWO,ROX`, in upstream's order. */
export function accessModesCell(modes: readonly string[] | undefined | null): string {
  return Object.keys(shortModes)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => shortModes[mode])
    .join(',');
}

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
export const volumeModes = ['Block', 'Filesystem'];
export const unset = '<unset>';

/** Once an annotation, which still stands before the field. */
export function storageClassCell(annotations: Record<string, string> | undefined, name: string | undefined): string {
  return annotations?.['volume.beta.kubernetes.io/storage-class'] ?? name ?? '';
}
