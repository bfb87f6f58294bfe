/**
 * Other components' metrics, shown beside the API server's own: one address to scrape, and
 * `kubectl get --raw /metrics | grep scheduler_` finds what the schedulers measure. Each source's samples get a label
 * `instance`; a family that several sources have is described once. A source that is away is left out, and counted.
 */
import { Agent, request } from 'node:https';
import type { Clock } from '#base/clock.ts';

export interface MetricsSource {
  /** Value of the label `instance`: `master1`. */
  name: string;
  url: string;
}

export interface FederationOptions {
  sources: readonly MetricsSource[];
  /** Who we are to the sources, and whom we believe. */
  tls: { ca?: string; cert?: string; key?: string };
  clock: Clock;
}

/** A source that does not answer within this is left out of this scrape. */
const sourceTimeoutMs = 500;
const sourceBytesMax = 8 << 20;
/** Every process has these: under an API server's own there is no telling them apart. */
const ownFamilies = /^(process|nodejs|go)_/;

export function createMetricsFederation(options: FederationOptions): () => Promise<string> {
  if (options.sources.length === 0) return async () => '';
  const agent = new Agent({ keepAlive: true, maxSockets: 2, ...options.tls });
  return async () => {
    const texts = await Promise.all(
      options.sources.map(async (source) => ({ source, text: await scrape(source.url, agent, options.clock) })),
    );
    return mergeMetrics(texts.map(({ source, text }) => ({ instance: source.name, text })));
  };
}

/** `text` undefined: the source is away. */
export function mergeMetrics(sources: readonly { instance: string; text: string | undefined }[]): string {
  const families = new Map<string, { head: string[]; samples: string[] }>();
  for (const { instance, text } of sources) {
    let family: { head: string[]; samples: string[] } | undefined;
    for (const line of (text ?? '').split('\n')) {
      const described = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (described) {
        const name = described[2]!;
        family = ownFamilies.test(name) ? undefined : (families.get(name) ?? { head: [], samples: [] });
        if (!family) continue;
        families.set(name, family);
        if (!family.head.some((h) => h.startsWith(`# ${described[1]} `))) family.head.push(line);
      } else if (family && line !== '' && !line.startsWith('#')) {
        family.samples.push(labelled(line, instance));
      }
    }
  }
  const up = sources.map(
    ({ instance, text }) =>
      `evenkeel_federation_up{instance=${JSON.stringify(instance)}} ${text === undefined ? 0 : 1}`,
  );
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return `${['# HELP evenkeel_federation_up Whether the source answered.', '# TYPE evenkeel_federation_up gauge', ...up, ...lines].join('\n')}\n`;
}

/** `name{a="b"} 1` to `name{instance="i",a="b"} 1`. */
function labelled(sample: string, instance: string): string {
  const end = sample.search(/[{ ]/);
  const label = `instance=${JSON.stringify(instance)}`;
  const rest = sample.slice(end);
  return `${sample.slice(0, end)}${rest.startsWith('{') ? `{${label},${rest.slice(1)}` : `{${label}}${rest}`}`;
}

function scrape(url: string, agent: Agent, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const settle = (text: string | undefined) => {
      timer.cancel();
      resolve(text);
    };
    const req = request(url, { agent }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > sourceBytesMax) req.destroy();
      });
      res.on('end', () => settle(res.statusCode === 200 ? text : undefined));
      res.on('error', () => settle(undefined));
      res.on('close', () => settle(undefined));
    });
    const timer = clock.setTimer(sourceTimeoutMs, () => req.destroy());
    req.on('error', () => settle(undefined));
    req.end();
  });
}
