/** What a client wants to read: the best of its Accept header that we can write. */
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { ApiRequest } from '../request.ts';

export interface Representation {
  format: 'json' | 'yaml';
  /** '' is the object itself. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** Of the meta.k8s.io group, for `as`. */
  version: 'v1' | 'v1beta1';
}

/** An endpoint answers with one object, a list, a stream of events, or something that has no other form. */
export type Answer = 'object' | 'list' | 'watch' | 'value';

const plainJson: Representation = { format: 'json', as: '', version: 'v1' };

/** Throws 406. Protobuf is passed over: clients that prefer it name JSON as well. */
export function negotiate(request: ApiRequest, answer: Answer = 'object'): Representation {
  const accept = request.headers.accept;
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return plainJson;
  const known = parsed[answer];
  let best = known.get(accept);
  if (best === undefined) {
    best = parseAccept(accept, answer);
    if (known.size >= knownMax) known.delete(known.keys().next().value!);
    known.set(accept, best);
  }
  if (best === 'wrong form') throw wrongForm(request, answer);
  if (best === 'no such form') throw apiErrors.notAcceptable(mediaTypes);
  if (best === 'no such type') throw notAcceptable(answer);
  return best;
}

type Verdict = Representation | 'no such type' | 'no such form' | 'wrong form';

/** Header texts repeat endlessly; the memory of them is bounded. */
const knownMax = 256;
const parsed: Record<Answer, Map<string, Verdict>> = {
  object: new Map(),
  list: new Map(),
  watch: new Map(),
  value: new Map(),
};

const mediaTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const streamTypes = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];

function notAcceptable(answer: Answer): StatusError {
  const media = answer === 'list' || answer === 'watch' ? [...mediaTypes, ...streamTypes] : mediaTypes;
  return new StatusError({
    code: 406,
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${media.join(', ')}`,
    details: {},
  });
}

function parseAccept(accept: string, answer: Answer): Verdict {
  const clauses = accept.split(',').map((clause, index) => {
    const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => splitOnce(part)));
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? '1'), index };
  });
  clauses.sort((a, b) => b.quality - a.quality || a.index - b.index);
  let verdict: Verdict = 'no such type';
  for (const { type, parameters } of clauses) {
    const format =
      type === 'application/json' || type === '*/*' ? 'json' : type === 'application/yaml' ? 'yaml' : undefined;
    if (!format) continue;
    const as = parameters.get('as') ?? '';
    const version = parameters.get('v') === 'v1beta1' ? 'v1beta1' : 'v1';
    if (as === '') return { format, as, version };
    const isKnown = parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === version;
    if (isKnown && isOffered(as, answer)) return { format, as: as as Representation['as'], version };
    verdict = isKnown && isPartial(as) && answer !== 'value' ? 'wrong form' : 'no such form';
  }
  return verdict;
}

function isPartial(as: string): boolean {
  return as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList';
}

/** A list asked for as one object, or the other way round. Upstream names its internal Go type. */
function wrongForm(request: ApiRequest, answer: Answer): StatusError {
  const { group, kind } = request.resource ?? { group: '', kind: '' };
  const type = `*${group === '' ? 'core' : group.split('.')[0]}.${kind}`;
  const why =
    answer === 'list'
      ? `you requested PartialObjectMetadata, but the requested object is a list (${type}List)`
      : `you requested PartialObjectMetadataList, but the requested object is not a list (${type})`;
  return new StatusError({ code: 406, reason: 'NotAcceptable', message: why });
}

function isOffered(as: string, answer: Answer): boolean {
  if (answer === 'value') return false;
  if (as === 'PartialObjectMetadata') return answer !== 'list';
  if (as === 'PartialObjectMetadataList') return answer === 'list';
  return as === 'Table';
}

function splitOnce(part: string): [string, string] {
  const equals = part.indexOf('=');
  return equals < 0 ? [part, ''] : [part.slice(0, equals).trim(), part.slice(equals + 1).trim()];
}

/** For people: `?pretty=true`, or a client that is likely one. */
export function isPretty(request: ApiRequest): boolean {
  if (request.url.search !== '') {
    const asked = request.url.searchParams.get('pretty');
    if (asked !== null) return asked === 'true' || asked === '1';
  }
  const agent = request.headers['user-agent'];
  if (agent === undefined) return false;
  return agent.startsWith('curl') || agent.startsWith('Wget') || agent.startsWith('Mozilla/5.0');
}
