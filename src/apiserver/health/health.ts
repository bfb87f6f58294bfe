/**
 * /livez (this process), /readyz (it can serve), /healthz (the old name of the first). Each is a list of named checks;
 * the names and their order are upstream's, so that dashboards and probes keep working; what several parts do upstream
 * and one does here shares its check; one that upstream does not have stands last but one. What a failed check says stays
 * in the log, unless it says that it may be told.
 */
import facts from '#apis/facts/resources.json' with { type: 'json' };
import type { Logger } from '#base/log.ts';
import type { ApiResponse, Handler } from '../request.ts';

/** Resolves, or throws why it does not hold. */
export type HealthCheck = (signal: AbortSignal) => Promise<void> | void;

/** What is shown to whoever asks in full, though no check fails of it. Of checks that fail, why is withheld. */
export type HealthAdvice = (signal: AbortSignal) => Promise<string[]>;
/** Its message is for whoever asks, credentials or not. */
export class PublicHealthError extends Error {
  override name = 'PublicHealthError';
}

export const healthEndpoints = ['healthz', 'livez', 'readyz'] as const;
export type HealthEndpoint = (typeof healthEndpoints)[number];

export interface Health {
  /** Undefined: not a health path. */
  handle(path: string, query: URLSearchParams): Promise<ApiResponse | undefined>;
  /** `/livez`, `/livez/ping`, …: for the list of paths at `/`. */
  paths(): string[];
  /** Health alone, for a port of its own. */
  handler: Handler;
}

/**
 * `readiness` by upstream's names; a name without a check holds as long as the process answers. Liveness has none: a
 * process that answers is alive, and killing it would not bring the store back.
 */
export function createHealth(
  readiness: ReadonlyMap<string, HealthCheck>,
  log: Logger,
  timeoutMs: number,
  advice: HealthAdvice = () => Promise.resolve([]),
): Health {
  const namesOf = (endpoint: HealthEndpoint): readonly string[] => {
    const known: readonly string[] = facts.healthChecks[endpoint];
    if (endpoint !== 'readyz') return known;
    const own = [...readiness.keys()].filter((name) => !known.includes(name));
    return [...known.slice(0, -1), ...own, ...known.slice(-1)];
  };

  /** What may be told of a failure; undefined: it holds. */
  const run = async (endpoint: HealthEndpoint, name: string): Promise<string | undefined> => {
    const check = endpoint === 'livez' ? undefined : readiness.get(name);
    if (!check) return undefined;
    try {
      const result = check(AbortSignal.timeout(timeoutMs));
      if (result) await result;
      return undefined;
    } catch (error) {
      log.debug({ endpoint, check: name, error: String(error) }, 'health check failed');
      return error instanceof PublicHealthError ? error.message : 'reason withheld';
    }
  };

  const all = async (endpoint: HealthEndpoint, query: URLSearchParams): Promise<ApiResponse> => {
    const names = namesOf(endpoint);
    const excluded = new Set(query.getAll('exclude'));
    const [warnings, ...failures] = await Promise.all([
      query.has('verbose') ? advice(AbortSignal.timeout(timeoutMs)).catch(() => []) : [],
      ...names.map((name) => (excluded.has(name) ? undefined : run(endpoint, name))),
    ]);
    const isHealthy = failures.every((why) => why === undefined);
    if (isHealthy && !query.has('verbose')) return text(200, 'ok');
    let body = '';
    for (const [i, name] of names.entries()) {
      body += excluded.has(name)
        ? `[+]${name} excluded: ok\n`
        : failures[i] === undefined
          ? `[+]${name} ok\n`
          : `[-]${name} failed: ${failures[i]}\n`;
    }
    for (const warning of warnings) body += `warn: etcd: ${warning}\n`;
    const unknown = [...excluded].filter((name) => !names.includes(name));
    if (unknown.length > 0) {
      const list = unknown.map((name) => JSON.stringify(name)).join(', ');
      body += `warn: some health checks cannot be excluded: no matches for ${list}\n`;
    }
    body += `${endpoint} check ${isHealthy ? 'passed' : 'failed'}\n`;
    return text(isHealthy ? 200 : 500, body);
  };

  const handle: Health['handle'] = async (path, query) => {
    const [endpoint, ...rest] = path.slice(1).split('/') as [HealthEndpoint, ...string[]];
    if (!healthEndpoints.includes(endpoint)) return undefined;
    const name = rest.join('/');
    if (name === '') return all(endpoint, query);
    if (!namesOf(endpoint).includes(name)) return undefined;
    const failure = await run(endpoint, name);
    if (failure === undefined) return { status: 200, headers: { 'content-type': plain }, body: 'ok' };
    return text(500, `internal server error: ${name} failed: ${failure}\n`);
  };
  return {
    handle,
    handler: async ({ url }) => (await handle(url.pathname, url.searchParams)) ?? text(404, '404 page not found\n'),
    paths: () => healthEndpoints.flatMap((e) => [`/${e}`, ...namesOf(e).map((name) => `/${e}/${name}`)]),
  };
}

const plain = 'text/plain; charset=utf-8';

function text(status: number, body: string): ApiResponse {
  return { status, headers: { 'content-type': plain, 'x-content-type-options': 'nosniff' }, body };
}
