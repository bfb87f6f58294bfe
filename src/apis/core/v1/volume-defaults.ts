import { each, ensure, type Fields, setDefault } from '../../set-default.ts';

const fileMode = 0o644;

/** A pod's volume; persistent volumes share the sources. */
export function setVolumeDefaults(volume: Fields): void {
  if (Object.keys(volume).every((field) => field === 'name')) volume.emptyDir = {};
  for (const source of ['secret', 'configMap', 'downwardAPI', 'projected'])
    if (volume[source]) setDefault(volume[source], 'defaultMode', fileMode);
  for (const item of each(volume.downwardAPI?.items)) setFieldRefDefaults(item);
  for (const source of each(volume.projected?.sources)) {
    for (const item of each(source.downwardAPI?.items)) setFieldRefDefaults(item);
    if (source.serviceAccountToken) setDefault(source.serviceAccountToken, 'expirationSeconds', 3600);
    if (source.podCertificate) setDefault(source.podCertificate, 'maxExpirationSeconds', 86400);
  }
  if (volume.ephemeral?.volumeClaimTemplate) {
    const template = volume.ephemeral.volumeClaimTemplate;
    setClaimSpecDefaults(ensure(template, 'spec'));
  }
  setVolumeSourceDefaults(volume);
}

/** Sources that pods and persistent volumes have in common. */
export function setVolumeSourceDefaults(source: Fields): void {
  if (source.hostPath) source.hostPath.type ??= '';
  if (source.iscsi) setDefault(source.iscsi, 'iscsiInterface', 'default');
  if (source.rbd) {
    setDefault(source.rbd, 'pool', 'rbd');
    setDefault(source.rbd, 'user', 'admin');
    setDefault(source.rbd, 'keyring', '/etc/ceph/keyring');
  }
  if (source.azureDisk) {
    setDefault(source.azureDisk, 'cachingMode', 'ReadWrite');
    setDefault(source.azureDisk, 'fsType', 'ext4');
    setDefault(source.azureDisk, 'readOnly', false);
    setDefault(source.azureDisk, 'kind', 'Shared');
  }
  if (source.scaleIO) {
    setDefault(source.scaleIO, 'storageMode', 'ThinProvisioned');
    setDefault(source.scaleIO, 'fsType', 'xfs');
  }
}

export function setClaimSpecDefaults(spec: Fields): void {
  setDefault(spec, 'volumeMode', 'Filesystem');
}

function setFieldRefDefaults(item: Fields): void {
  if (item.fieldRef) setDefault(item.fieldRef, 'apiVersion', 'v1');
}
