import { fieldError } from '#apimachinery/field-error.ts';
import { parseJson } from '#apimachinery/json/parse-json.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { scheme } from '#apis/scheme.ts';
import { messageOf } from '#base/errors.ts';
import { mediaTypeOf } from '../content/body.ts';
import { parseYaml } from '../content/parse-yaml.ts';
import type { DeleteOptions } from '../registry/registry.ts';
import type { ApiRequest } from '../request.ts';
import { parseInteger } from './list-options.ts';

const kinds = new Set(['DeleteOptions', 'Status', 'List']);
const policies = ['Foreground', 'Background', 'Orphan'];

/** From the body if there is one, else from the query. `dryRun` as sent. */
export async function readDeleteOptions(request: ApiRequest): Promise<{ options: DeleteOptions; dryRun: string[] }> {
  const sent = await readOptions(request);
  const { propagationPolicy, orphanDependents, gracePeriodSeconds, preconditions } = sent;
  const errors = [];
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy)) {
    errors.push(fieldError.notSupported('propagationPolicy', propagationPolicy, [...policies, 'nil']));
  }
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    errors.push(
      fieldError.invalid(
        'propagationPolicy',
        propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    );
  }
  const dryRun = (sent.dryRun ?? []).filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) errors.push(fieldError.notSupported('dryRun', dryRun, ['All']));
  if (errors.length > 0) throw apiErrors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  return {
    options: {
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      ...(orphanDependents === undefined ? {} : { orphanDependents }),
      ...(preconditions === undefined ? {} : { preconditions }),
    },
    dryRun,
  };
}

type SentOptions = DeleteOptions & { kind?: string; apiVersion?: string; dryRun?: string[] };

async function fromProtobuf(body: Buffer): Promise<SentOptions> {
  const [{ protobufDecoder }, { readEnvelope }] = await Promise.all([
    import('#apis/protobuf.ts'),
    import('#apimachinery/protobuf/decode-protobuf.ts'),
  ]);
  try {
    const schema = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
    return (protobufDecoder(scheme.schemas).decode(schema, readEnvelope(body).raw) ?? {}) as SentOptions;
  } catch (error) {
    throw apiErrors.badRequest(messageOf(error));
  }
}

async function readOptions(request: ApiRequest): Promise<SentOptions> {
  const body = await request.readBody();
  if (body.length === 0) return fromQuery(request);
  if (mediaTypeOf(request) === 'application/vnd.kubernetes.protobuf')
    return recorded(request, await fromProtobuf(body));
  const text = body.toString();
  let value: SentOptions;
  try {
    value =
      mediaTypeOf(request) === 'application/yaml'
        ? ((await parseYaml(text)).value as SentOptions)
        : parseJson(text).value;
  } catch (error) {
    throw apiErrors.badRequest(`couldn't get version/kind; json parse error: ${messageOf(error)}`);
  }
  if (typeof value !== 'object' || value === null)
    throw apiErrors.badRequest("couldn't get version/kind; json parse error");
  if (value.kind !== undefined && !kinds.has(value.kind)) {
    throw apiErrors.badRequest(
      `no kind "${value.kind}" is registered for version "${value.apiVersion ?? ''}" in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"`,
    );
  }
  return recorded(request, withoutNulls(value));
}

function recorded(request: ApiRequest, options: SentOptions): SentOptions {
  request.audit?.requestObject({ kind: 'DeleteOptions', apiVersion: 'v1', ...options });
  return options;
}

function withoutNulls(value: SentOptions): SentOptions {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) as SentOptions;
}

function fromQuery(request: ApiRequest): SentOptions {
  if (request.url.search === '') return {};
  const query = request.url.searchParams;
  const grace = parseInteger(query.get('gracePeriodSeconds'));
  const policy = query.get('propagationPolicy');
  const orphan = query.get('orphanDependents');
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(policy ? { propagationPolicy: policy as NonNullable<DeleteOptions['propagationPolicy']> } : {}),
    ...(orphan === null ? {} : { orphanDependents: orphan !== 'false' && orphan !== '0' }),
    dryRun: query.getAll('dryRun'),
  };
}
