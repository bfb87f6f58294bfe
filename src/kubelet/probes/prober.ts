/**
 * One look at a container, by connecting, by an HTTP request or by a command. Nothing is kept between two looks: no
 * socket, no session, one TLS context for all that trusts nothing and verifies nothing, as upstream's probes do.
 */
import { spawn } from 'node:child_process';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https, { type RequestOptions as TlsOptions } from 'node:https';
import { connect } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Container, Probe } from '../pod.ts';
import { killGroup } from '../processes/host-processes.ts';

export interface ProbeResult {
  ok: boolean;
  /** For the event: `HTTP probe failed with statuscode: 500`. */
  message: string;
}

export interface ProbeTarget {
  container: Container;
  podIP: string;
  /** Of the running container, for exec probes. */
  env: Record<string, string>;
}

export type Prober = (probe: Probe, target: ProbeTarget, timeoutMs: number) => Promise<ProbeResult>;

export function createProber(clock: Clock): Prober {
  return (probe, target, timeoutMs) =>
    new Promise((resolve) => {
      let stop: () => void = () => {};
      const finish = (ok: boolean, message: string) => {
        timer.cancel();
        resolve({ ok, message });
        stop();
      };
      const timer = clock.setTimer(timeoutMs, () => finish(false, `probe timed out after ${timeoutMs / 1000}s`));
      const begin = probe.httpGet ? beginHttp : probe.tcpSocket ? beginTcp : beginExec;
      begin(probe, target, finish).then(
        (s) => {
          stop = s;
        },
        (error) => finish(false, messageOf(error)),
      );
    });
}

type Finish = (ok: boolean, message: string) => void;
type Begin = (probe: Probe, target: ProbeTarget, finish: Finish) => Promise<() => void>;

let secureContext: SecureContext | undefined;

const beginHttp: Begin = async (probe, target, finish) => {
  const { path = '/', port, host, scheme, httpHeaders = [] } = probe.httpGet!;
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.36', Accept: '*/*', Connection: 'close' };
  for (const { name, value } of httpHeaders) headers[name] = value;
  const options: RequestOptions = {
    host: host || target.podIP,
    port: portNumber(port, target.container),
    path: path.startsWith('/') ? path : `/${path}`,
    headers,
    agent: false,
  };
  const answered = (response: IncomingMessage) => {
    const status = response.statusCode ?? 0;
    response.destroy();
    const ok = status >= 200 && status < 400;
    finish(ok, ok ? '' : `HTTP probe failed with statuscode: ${status}`);
  };
  const request = scheme === 'HTTPS' ? httpsRequest(options, answered) : http.request(options, answered);
  request.on('error', (error) => finish(false, messageOf(error)));
  request.end();
  return () => request.destroy();
};

function httpsRequest(options: RequestOptions, answered: (response: IncomingMessage) => void) {
  secureContext ??= createSecureContext({ ca: [] });
  const tls: TlsOptions & { secureContext: SecureContext } = { ...options, secureContext, rejectUnauthorized: false };
  return https.request(tls, answered);
}

const beginTcp: Begin = async (probe, target, finish) => {
  const { port, host } = probe.tcpSocket!;
  const socket = connect(portNumber(port, target.container), host || target.podIP);
  socket.once('connect', () => finish(true, ''));
  socket.on('error', (error) => finish(false, messageOf(error)));
  return () => socket.destroy();
};

const beginExec: Begin = async (probe, target, finish) => {
  const [program, ...args] = probe.exec!.command;
  const child = spawn(program!, args, {
    cwd: target.container.workingDir || '/',
    env: target.env,
    detached: true,
    stdio: 'ignore',
  });
  child.once('exit', (code, signal) =>
    finish(code === 0, code === 0 ? '' : signal ? `killed by ${signal}` : `exit status ${code}`),
  );
  child.on('error', (error) => finish(false, messageOf(error)));
  return () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
  };
};

function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  return container.ports?.find((p) => p.name === port)?.containerPort ?? Number(port);
}
