/**
 * Reads a kubeconfig: where the API server is and who we are. Certificates and keys may stand inline (base64) or in
 * files, whose relative paths count from the kubeconfig's own folder, as kubectl has it. Exec plugins and auth
 * providers are refused: components of a control plane hold certificates or tokens.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { faultOf } from '#base/serving-certificate.ts';

export interface ClientConfig {
  /** `https://127.0.0.1:6443`, no path or slash at the end. */
  server: string;
  /** PEM. Absent: the system's authorities. */
  ca?: string;
  /** PEM, both or neither. */
  cert?: string;
  key?: string;
  token?: string;
  /** Name to verify the server's certificate against, when not the URL's. */
  serverName?: string;
  insecureSkipVerify?: boolean;
  /** Of the context; 'default' when it says none. */
  namespace?: string;
}

/** `clock`: to refuse a client certificate that has expired. */
export async function loadKubeconfig(path: string, clock?: Pick<Clock, 'now'>): Promise<ClientConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new OperatorError(`kubeconfig ${path} cannot be read (${messageOf(error)}): check --kubeconfig`);
  }
  return parseKubeconfig(text, path, undefined, clock);
}

/** `path` names the file in errors and anchors relative paths. */
export async function parseKubeconfig(
  text: string,
  path: string,
  context?: string,
  clock: Pick<Clock, 'now'> = { now: () => Number.NEGATIVE_INFINITY },
): Promise<ClientConfig> {
  const fail = (what: string): never => {
    throw new OperatorError(`kubeconfig ${path}: ${what}`);
  };
  const config = await parseText(text, fail);
  const contextName = context ?? (config['current-context'] || config.contexts?.[0]?.name);
  if (!contextName) fail('has no current-context: set one with kubectl config use-context');
  const ctx = entry(config.contexts, contextName)?.context ?? fail(`has no context ${JSON.stringify(contextName)}`);
  const cluster = entry(config.clusters, ctx.cluster)?.cluster ?? fail(`has no cluster ${JSON.stringify(ctx.cluster)}`);
  const user = ctx.user ? (entry(config.users, ctx.user)?.user ?? fail(`has no user ${JSON.stringify(ctx.user)}`)) : {};
  if (user.exec || user['auth-provider'])
    fail(`user ${ctx.user} uses a credential plugin: give a certificate or token`);

  const read = async (holder: Record<string, any>, field: string): Promise<string | undefined> => {
    const inline = holder[`${field}-data`];
    if (inline) return Buffer.from(String(inline), 'base64').toString('utf8');
    const file = holder[field];
    if (!file) return undefined;
    const full = isAbsolute(file) ? file : join(dirname(path), file);
    return readFile(full, 'utf8').catch((error) => fail(`${field} ${full} cannot be read (${messageOf(error)})`));
  };
  const ca = await read(cluster, 'certificate-authority');
  const cert = await read(user, 'client-certificate');
  const key = await read(user, 'client-key');
  if (Boolean(cert) !== Boolean(key)) fail(`user ${ctx.user} needs both client-certificate and client-key`);
  if (cert && key) {
    const fault = faultOf({ cert, key }, clock);
    if (fault) fail(`client-${fault.isKey ? 'key' : 'certificate'} of user ${ctx.user} is no good: ${fault.why}`);
  }
  if (ca && !isCertificate(ca)) fail('certificate-authority holds no PEM certificate: copy the ca.crt of the cluster');
  const token = user.token ?? (await read({ file: user.tokenFile }, 'file'))?.trim();
  return {
    server: serverUrl(cluster.server, fail),
    ...(ca ? { ca } : {}),
    ...(cert ? { cert, key } : {}),
    ...(token ? { token } : {}),
    ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { insecureSkipVerify: true } : {}),
    namespace: ctx.namespace ?? 'default',
  };
}

/** JSON is YAML too, and spares loading the YAML parser. */
async function parseText(text: string, fail: (what: string) => never): Promise<Record<string, any>> {
  let value: unknown;
  try {
    value = /^\s*\{/.test(text) ? JSON.parse(text) : (await import('yaml')).parse(text);
  } catch (error) {
    return fail(`is not valid YAML (${messageOf(error).split('\n')[0]})`);
  }
  if (typeof value !== 'object' || value === null) return fail('is empty: generate it again');
  return value;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function entry(list: unknown, name: string): Record<string, any> | undefined {
  return Array.isArray(list) ? list.find((e) => e?.name === name) : undefined;
}

function serverUrl(server: unknown, fail: (what: string) => never): string {
  if (typeof server !== 'string' || !URL.canParse(server)) {
    return fail(`cluster.server ${JSON.stringify(server)} is no URL: write https://HOST:PORT`);
  }
  return server.replace(/\/+$/, '');
}
