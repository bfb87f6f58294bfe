/** What a client wants to read: the best of its Accept header that we can write. */
import { StatusError } from '#apimachinery/status-error.ts';
import type { ApiRequest } from '../request.ts';

export interface Representation {
  format: 'json' | 'yaml';
  /** '' is the object itself. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
}

const plainJson: Representation = { format: 'json', as: '' };

/** Header texts repeat endlessly; the memory of them is bounded. */
const knownMax = 256;
const known = new Map<string, Representation | undefined>();

/** Throws 406. Protobuf is passed over: clients that prefer it name JSON as well. */
export function negotiate(request: ApiRequest, streams = false): Representation {
  const accept = request.headers.accept;
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return plainJson;
  let best = known.get(accept);
  if (best === undefined && !known.has(accept)) {
    best = parseAccept(accept);
    if (known.size >= knownMax) known.delete(known.keys().next().value!);
    known.set(accept, best);
  }
  if (best) return best;
  throw notAcceptable(streams);
}

function notAcceptable(streams: boolean): StatusError {
  const media = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
  if (streams) media.push('application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch');
  return new StatusError({
    code: 406,
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${media.join(', ')}`,
    details: {},
  });
}

function parseAccept(accept: string): Representation | undefined {
  const clauses = accept.split(',').map((clause, index) => {
    const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => splitOnce(part)));
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? '1'), index };
  });
  clauses.sort((a, b) => b.quality - a.quality || a.index - b.index);
  for (const { type, parameters } of clauses) {
    const format =
      type === 'application/json' || type === '*/*' ? 'json' : type === 'application/yaml' ? 'yaml' : undefined;
    if (!format) continue;
    const as = parameters.get('as') ?? '';
    if (as === '') return { format, as };
    if (parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') continue;
    if (as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { format, as };
  }
  return undefined;
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
  const first = agent.charCodeAt(0);
  // c, W, M: most agents are told by one character that they are none of these.
  if (first !== 99 && first !== 87 && first !== 77) return false;
  return agent.startsWith('curl') || agent.startsWith('Wget') || agent.startsWith('Mozilla/5.0');
}
