/** Prometheus' configuration, as an object: who is scraped, how, and which rules are asked. */
export interface ScrapedJob {
  job: string;
  scheme: 'http' | 'https';
  targets: readonly { instance: string; address: string }[];
  tls?: { caFile: string; certFile: string; keyFile: string };
}

export interface ScrapeConfigurationOptions {
  jobs: readonly ScrapedJob[];
  scrapeIntervalText: string;
  /** Paths, also relative ones: to the configuration's own folder. */
  ruleFiles: readonly string[];
  /** A bearer token in a file, in place of client certificates, for who has no key of the control plane. */
  tokenFile?: string;
}

/** An API server shows the schedulers' metrics too; they are scraped from the schedulers themselves. */
export const shownByOthers = /^(scheduler_|leader_election_|evenkeel_federation_)/;

export function scrapeConfigurationOf(options: ScrapeConfigurationOptions): object {
  const { jobs, scrapeIntervalText, ruleFiles, tokenFile } = options;
  return {
    global: { scrape_interval: scrapeIntervalText, evaluation_interval: scrapeIntervalText },
    rule_files: ruleFiles,
    scrape_configs: jobs.map(({ job, scheme, targets, tls }) => ({
      job_name: job,
      scheme,
      ...(tls && { tls_config: tlsOf(tls, job === 'etcd' ? undefined : tokenFile) }),
      ...(tls && tokenFile && job !== 'etcd' ? { authorization: { type: 'Bearer', credentials_file: tokenFile } } : {}),
      // The store speaks gRPC on HTTP/2, and plain requests on HTTP/1.1.
      ...(job === 'etcd' ? { enable_http2: false } : {}),
      static_configs: targets.map(({ instance, address }) => ({ targets: [address], labels: { instance } })),
      ...(job === 'apiserver'
        ? {
            metric_relabel_configs: [
              { source_labels: ['__name__'], regex: `${shownByOthers.source.slice(1)}.*`, action: 'drop' },
            ],
          }
        : {}),
    })),
  };
}

function tlsOf(tls: NonNullable<ScrapedJob['tls']>, tokenFile: string | undefined): object {
  const { caFile, certFile, keyFile } = tls;
  return { ca_file: caFile, ...(tokenFile ? {} : { cert_file: certFile, key_file: keyFile }) };
}
