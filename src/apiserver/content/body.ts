/** From a request's body to an object in the version of the URL: media type, syntax, kind, fields; upstream's words. */
import { fieldError } from '#apimachinery/field-error.ts';
import { formatGroupVersion, type GroupVersionKind, parseGroupVersion } from '#apimachinery/group-version.ts';
import { duplicateFieldText, JsonSyntaxError, type ParsedJson, parseJson } from '#apimachinery/json/parse-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { DecodeError, decodeObject, unknownFieldText } from '#apimachinery/schema/decode.ts';
import { apiErrors, type StatusError } from '#apimachinery/status-error.ts';
import type { Scheme } from '#apis/scheme.ts';
import type { ApiRequest } from '../request.ts';
import { type ParsedYaml, parseYaml, YamlSyntaxError } from './parse-yaml.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';
const accepted = ['application/json', 'application/yaml', protobuf];

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** Reads and decodes the body as `gvk`; kind and apiVersion may be missing from it. Not defaulted. */
export async function decodeBody(request: ApiRequest, scheme: Scheme, gvk: GroupVersionKind): Promise<KubeObject> {
  const validation = fieldValidationOf(request);
  const parsed = await parseBody(request, scheme, gvk.kind);
  checkType(scheme, parsed.value, gvk);
  const object = decodeAs(request, scheme, parsed, gvk, validation);
  request.audit?.requestObject(object, scheme.kind(gvk));
  return object;
}

export function decodeAs(
  request: ApiRequest,
  scheme: Scheme,
  parsed: ParsedBody,
  gvk: GroupVersionKind,
  validation: FieldValidation,
): KubeObject {
  const refuse = (why: string): StatusError =>
    apiErrors.badRequest(`${gvk.kind} in version "${gvk.version}" cannot be handled as a ${gvk.kind}: ${why}`);
  const typed = { ...parsed.value, kind: gvk.kind, apiVersion: formatGroupVersion(gvk) };
  const schema = scheme.schemaName(gvk);
  if (schema === undefined) return withMetadata(typed);
  try {
    const { object, unknownFields } = decodeObject(scheme.schemas, schema, typed, {
      floatLiterals: parsed.floatLiterals,
    });
    const texts = [...duplicateTexts(parsed), ...unknownFields.map(unknownFieldText)];
    if (texts.length > 0) {
      if (validation === 'Strict') throw refuse(`strict decoding error: ${texts.join(', ')}`);
      if (validation === 'Warn') request.warnings.push(...texts);
    }
    return withMetadata(object);
  } catch (error) {
    throw error instanceof DecodeError ? refuse(error.message) : error;
  }
}

function duplicateTexts({ duplicateFields, yamlDuplicates = [] }: ParsedBody): string[] {
  if (yamlDuplicates.length > 0) return [`yaml: unmarshal errors:\n  ${yamlDuplicates.join('\n  ')}`];
  return duplicateFields.map(duplicateFieldText);
}

/** Metadata is an object for everyone behind here, sent or not. */
function withMetadata(object: Record<string, unknown>): KubeObject {
  const { kind, apiVersion, metadata, ...rest } = object;
  return { kind, apiVersion, metadata: metadata ?? {}, ...rest } as KubeObject;
}

/** Throws 422 for a level that does not exist. */
export function fieldValidationOf(request: ApiRequest): FieldValidation {
  const level = request.url.search === '' ? null : request.url.searchParams.get('fieldValidation');
  switch (level) {
    case null:
    case '':
    case 'Warn':
      return 'Warn';
    case 'Ignore':
    case 'Strict':
      return level;
    default:
      throw apiErrors.invalid({ group: 'meta.k8s.io', kind: optionsKind(request) }, '', [
        fieldError.notSupported('fieldValidation', level, ['', 'Ignore', 'Strict', 'Warn']),
      ]);
  }
}

export function optionsKind(request: ApiRequest): string {
  const verb = request.info.verb;
  return verb === 'create'
    ? 'CreateOptions'
    : verb === 'update'
      ? 'UpdateOptions'
      : verb === 'patch'
        ? 'PatchOptions'
        : 'DeleteOptions';
}

/** `yamlDuplicates`: keys given twice, where the body was YAML. */
type ParsedBody = ParsedJson & { yamlDuplicates?: string[] };

async function parseBody(request: ApiRequest, scheme: Scheme, kind: string): Promise<ParsedBody> {
  const media = mediaTypeOf(request);
  const unrecognized = (why: string, body: Buffer): StatusError =>
    apiErrors.badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${summaryOf(body)})`);
  if (media === 'application/yaml') {
    const body = await request.readBody();
    const { value, duplicates } = await readYaml(body.toString(), (why) => unrecognized(`yaml: ${why}`, body));
    return {
      value: asObject(value, (why) => unrecognized(why, body)),
      duplicateFields: [],
      floatLiterals: undefined,
      yamlDuplicates: duplicates,
    };
  }
  if (media === protobuf) return parseProtobuf(await request.readBody(), scheme, unrecognized);
  if (media !== '' && media !== 'application/json') throw apiErrors.unsupportedMediaType(accepted);
  const body = await request.readBody();
  const text = body.toString();
  try {
    const parsed = parseJson(text);
    return { ...parsed, value: asObject(parsed.value, (why) => unrecognized(why, body)) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw unrecognized(`couldn't get version/kind; json parse error: ${error.message}`, body);
  }
}

/** Loaded by the first client that sends it. The envelope names the type; the rest is as if it had come as JSON. */
async function parseProtobuf(
  body: Buffer,
  scheme: Scheme,
  refuse: (why: string, body: Buffer) => StatusError,
): Promise<ParsedJson> {
  const [{ protobufDecoder }, { ProtobufError, readEnvelope }] = await Promise.all([
    import('#apis/protobuf.ts'),
    import('#apimachinery/protobuf/decode-protobuf.ts'),
  ]);
  try {
    const { apiVersion, kind, raw } = readEnvelope(body);
    const schema = scheme.schemaName({ ...parseGroupVersion(apiVersion), kind });
    const object = schema === undefined ? {} : protobufDecoder(scheme.schemas).decode(schema, raw);
    return { value: { ...object, apiVersion, kind }, duplicateFields: [], floatLiterals: undefined };
  } catch (error) {
    throw error instanceof ProtobufError ? refuse(error.message, body) : error;
  }
}

export function mediaTypeOf(request: ApiRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

async function readYaml(text: string, refuse: (why: string) => StatusError): Promise<ParsedYaml> {
  try {
    return await parseYaml(text);
  } catch (error) {
    if (!(error instanceof YamlSyntaxError)) throw error;
    throw refuse(
      /compact mappings|implicit map key|Nested mappings/i.test(error.message)
        ? 'mapping values are not allowed in this context'
        : error.message,
    );
  }
}

/** Upstream looks at the type first, by a Go struct that its message shows. */
const typeStruct =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

function asObject(value: unknown, refuse: (why: string) => StatusError): Record<string, unknown> {
  if (value === null || value === undefined) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  throw refuse(
    `couldn't get version/kind; json parse error: json: cannot unmarshal ${kind} into Go value of type ${typeStruct}`,
  );
}

/** The first bytes of what could not be read: text if it looks like JSON, else hex. */
function summaryOf(body: Buffer): string {
  const max = 30;
  if (body.length === 0) return '<empty>';
  const head = body.subarray(0, max);
  const more = body.length > max ? ' ...' : '';
  return (body[0] === 0x7b ? head.toString() : head.toString('hex')) + more;
}

/** kind and apiVersion, where given, must be the URL's. */
export function checkType(scheme: Scheme, value: Record<string, unknown>, expected: GroupVersionKind): void {
  const kind = typeof value['kind'] === 'string' && value['kind'] !== '' ? value['kind'] : expected.kind;
  const expectedVersion = formatGroupVersion(expected);
  const sent = value['apiVersion'];
  const apiVersion = typeof sent === 'string' && sent !== '' ? sent : expectedVersion;
  if (kind === expected.kind && apiVersion === expectedVersion) return;
  const { group, version } = parseGroupVersion(apiVersion);
  if (kind === expected.kind && group === expected.group) {
    throw apiErrors.badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expectedVersion})`,
    );
  }
  const isKnown = scheme.schemaName({ group, version, kind }) !== undefined;
  const why = isKnown
    ? `converting (${version}.${kind}) to (${internalPackage(expected.group)}.${expected.kind}): unknown conversion`
    : `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/api/legacyscheme/scheme.go:30"`;
  throw apiErrors.badRequest(`${kind} in version "${version}" cannot be handled as a ${expected.kind}: ${why}`);
}

/** The Go package of a group's internal types: `core`, `apps`, `rbac`. */
function internalPackage(group: string): string {
  return group === '' ? 'core' : group.split('.')[0]!;
}
