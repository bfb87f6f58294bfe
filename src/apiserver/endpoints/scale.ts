/** The scale subresource: replicas of any kind that has them, as autoscaling/v1 Scale. */
import { fieldError } from '#apimachinery/field-error.ts';
import type { ParsedJson } from '#apimachinery/json/parse-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import {
  formatLabelSelector,
  type LabelSelectorObject,
  labelSelectorFromMap,
  labelSelectorFromObject,
} from '#apimachinery/selector/labels.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ScalePaths } from '#apis/kind.ts';
import { negotiate } from '../content/accept.ts';
import { checkType, decodeAs, decodeBody, fieldValidationOf } from '../content/body.ts';
import { valueResponse } from '../content/encode.ts';
import type { UpdateOptions } from '../registry/registry.ts';
import { modifiedMeanwhile } from '../registry/update.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { scaleApplier, scaleKind } from './apply-scale.ts';
import { type Endpoint, type EndpointContext, namespaceOf, writeContext } from './endpoint.ts';
import { parseGetRevision } from './list-options.ts';
import { applyPatch, readPatch } from './patch.ts';
import { patchType, patchTypes } from './patch-request.ts';
import { createServedResource, type ServedResource } from './served-resource.ts';

const usual: ScalePaths = {
  specReplicas: 'spec.replicas',
  statusReplicas: 'status.replicas',
  selector: 'spec.selector',
};

export const getScale: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request, 'value');
  const { storage, key } = served.registry!;
  const revision = parseGetRevision(request.url.searchParams);
  const path = key(namespaceOf(request, served), request.info.name);
  const entry = await storage.get(path, revision === undefined ? {} : { revision });
  if (!entry) throw apiErrors.notFound(served.info, request.info.name);
  return valueResponse(request, scaleOf(entry.object(), pathsOf(served)), representation, 200);
};

export const updateScale: Endpoint = async (_context, request, served) => {
  const scale = await decodeBody(request, served.scheme, scaleKind);
  if (!scale.metadata.name) {
    throw apiErrors.badRequest(
      `the name of the object (${request.info.name} based on URL) was undeterminable: name must be provided`,
    );
  }
  return change(request, served, () => scale);
};

export const patchScale: Endpoint = async (context, request, served) => {
  const type = patchType(request);
  if (type === patchTypes.apply) {
    return write(request, served, await scaleApplier(request, served, pathsOf(served)), { isApply: true });
  }
  const sent = await readPatch(request);
  const ofScale = scaleResource(context, served);
  return change(request, served, (current) => {
    const after = applyPatch(ofScale, current, sent, type);
    checkType(served.scheme, after, scaleKind);
    const scale = decodeAs(request, served.scheme, asParsed(after), scaleKind, fieldValidationOf(request));
    // Only a patch that names a resourceVersion asks for one.
    if ((sent as KubeObject)?.metadata?.resourceVersion === undefined) delete scale.metadata.resourceVersion;
    return scale;
  });
};

function asParsed(value: unknown): ParsedJson {
  return { value, duplicateFields: [], floatLiterals: undefined };
}

/** So that a strategic patch finds Scale's schema. */
function scaleResource(context: EndpointContext, served: ServedResource): ServedResource {
  return createServedResource(context.registry, { ...served.info, ...scaleKind, storage: undefined }, context.clock);
}

async function change(
  request: ApiRequest,
  served: ServedResource,
  wanted: (current: KubeObject) => KubeObject,
): Promise<ApiResponse> {
  const { name } = request.info;
  const paths = pathsOf(served);
  return write(request, served, (current) => {
    const scale = wanted(scaleOf(current, paths));
    const { resourceVersion } = scale.metadata;
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
      throw apiErrors.conflict(served.info, name, modifiedMeanwhile);
    }
    const replicas = scale['spec']?.replicas ?? 0;
    if (replicas < 0) {
      throw apiErrors.invalid(scaleKind, name, [
        fieldError.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
      ]);
    }
    setAt(current, paths.specReplicas, replicas);
    return current;
  });
}

async function write(
  request: ApiRequest,
  served: ServedResource,
  applyTo: (current: KubeObject) => KubeObject,
  options: UpdateOptions = {},
): Promise<ApiResponse> {
  const representation = negotiate(request, 'value');
  const { name } = request.info;
  const apply = (current: KubeObject | undefined): KubeObject => {
    if (!current) throw apiErrors.notFound(served.info, name);
    return applyTo(current);
  };
  const { update } = served.registry!;
  const { entry } = await update(writeContext(request), namespaceOf(request, served), name, 'scale', apply, options);
  return valueResponse(request, scaleOf(entry.object(), pathsOf(served)), representation, 200);
}

function pathsOf(served: ServedResource): ScalePaths {
  return served.registry!.strategy.scale ?? usual;
}

function scaleOf(object: KubeObject, paths: ScalePaths): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(at(object, paths.selector));
  const replicas = at(object, paths.specReplicas);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: name!,
      namespace: namespace!,
      uid: uid!,
      resourceVersion: resourceVersion!,
      creationTimestamp: creationTimestamp!,
    },
    spec: replicas ? { replicas } : {},
    status: { replicas: at(object, paths.statusReplicas) ?? 0, ...(selector === '' ? {} : { selector }) },
  };
}

function selectorText(selector: unknown): string {
  if (typeof selector !== 'object' || selector === null) return typeof selector === 'string' ? selector : '';
  const isObject = 'matchLabels' in selector || 'matchExpressions' in selector;
  return formatLabelSelector(
    isObject
      ? labelSelectorFromObject(selector as LabelSelectorObject)
      : labelSelectorFromMap(selector as Record<string, string>),
  );
}

function at(object: any, path: string): any {
  return path.split('.').reduce((value, field) => value?.[field], object);
}

function setAt(object: KubeObject, path: string, value: unknown): void {
  const fields = path.split('.');
  const last = fields.pop()!;
  let target: Record<string, unknown> = object;
  for (const field of fields) {
    target[field] ??= {};
    target = target[field] as Record<string, unknown>;
  }
  target[last] = value;
}
