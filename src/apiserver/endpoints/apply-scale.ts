/** Apply on the scale subresource: the configuration of a Scale is one of the object it scales, with only the replicas. */
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { ScalePaths } from '#apis/kind.ts';
import { applyConfiguration } from '../registry/managed-fields.ts';
import type { ApiRequest } from '../request.ts';
import { applyOptions, checkConfiguration, readConfiguration } from './apply.ts';
import { checkPatchOptions, patchTypes } from './patch-request.ts';
import type { ServedResource } from './served-resource.ts';

export const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** The change to the scaled object, in the stored version. */
export async function scaleApplier(
  request: ApiRequest,
  served: ServedResource,
  paths: ScalePaths,
): Promise<(current: KubeObject) => KubeObject> {
  checkPatchOptions(request, patchTypes.apply);
  const { info, scheme } = served;
  const scale = await readConfiguration(request);
  checkConfiguration(scheme, scaleKind, scale);
  const apply = { scheme, info, subresource: 'scale', ...applyOptions(request), nowMs: served.nowMs() };
  const configuration: KubeObject = { apiVersion: formatGroupVersion(info), kind: info.kind, metadata: {} };
  const replicas: unknown = scale['spec']?.replicas;
  if (typeof replicas === 'number') {
    const fields = paths.specReplicas.split('.');
    Object.assign(
      configuration,
      fields.reduceRight<unknown>((value, field) => ({ [field]: value }), replicas),
    );
  }
  return (current) => served.toStored(applyConfiguration(apply, served.toServed(current), configuration));
}
