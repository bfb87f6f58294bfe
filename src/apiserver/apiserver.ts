/**
 * An API server as a whole: what it is made of, in the order it is put together, how it starts, and how it ends. It
 * keeps nothing that the store does not have; the worst outcome of its loss is that clients go to another one.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Scheme } from '#apis/scheme.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { ownMetrics } from '#base/own-metrics.ts';
import { servingCertificate } from '#base/serving-certificate.ts';
import type { Divergence, StorageBackend } from '#storage/storage.ts';
import type { AdmissionChain } from './admission/admission.ts';
import { createAdmissionChain } from './admission/chain.ts';
import { configureAdmission } from './admission/configure.ts';
import { configureAudit } from './audit/configure.ts';
import { configureAuthentication, coreObjectGetter } from './authentication/configure.ts';
import { unionAuthorizer } from './authorization/authorizer.ts';
import { configureAuthorization } from './authorization/configure.ts';
import { bootstrapFlows } from './bootstrap/bootstrap-objects.ts';
import { createEndpointReconciler } from './bootstrap/endpoint-reconciler.ts';
import { createIdentityLease } from './bootstrap/identity-lease.ts';
import { createPostStartHooks } from './bootstrap/post-start-hooks.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { createRootPaths } from './discovery/root-paths.ts';
import { createFlowConfiguration } from './flowcontrol/configuration.ts';
import { createFlowControlDebug } from './flowcontrol/debug.ts';
import { FlowControl } from './flowcontrol/flow-control.ts';
import { createClientCertificateMetrics } from './health/client-certificate-metrics.ts';
import { createMetricsFederation } from './health/federated-metrics.ts';
import { createHealth, type HealthCheck, PublicHealthError } from './health/health.ts';
import { createMetricsHandler } from './health/metrics-handler.ts';
import { renderStorageMetrics } from './health/storage-metrics.ts';
import { storeAdvice } from './health/store-advice.ts';
import { createStoreSizeMetrics } from './health/store-size-metrics.ts';
import { createRequestMetrics } from './metrics.ts';
import { createOpenApi } from './openapi/openapi.ts';
import type { ApiServerConfiguration } from './options.ts';
import { createRegistry } from './registry/create-registry.ts';
import type { Registry } from './registry/registry.ts';
import { createReviews } from './reviews/reviews.ts';
import { type ApiServer, createApiServer } from './server.ts';
import { parseCidr } from './services/ip-range.ts';
import { createServiceAllocation } from './services/service-allocation.ts';
import { advertiseAddressOf, certificateNames } from './serving/addresses.ts';
import { readAuthorities, readFileOf } from './serving/server-files.ts';
import { createOidcDiscovery } from './tokens/oidc-discovery.ts';

export interface ApiServerDependencies {
  scheme: Scheme;
  backend: StorageBackend;
  /** Of the store's client, in Prometheus' text format. */
  storeMetrics: () => string;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** How long a stopping server tries to take its address out of the endpoints, before its key expires by itself. */
const withdrawTimeoutMs = 3_000;

export interface RunningApiServer {
  readonly server: ApiServer;
  readonly registry: Registry;
  /** Works until the signal aborts, then stops in order: see `shutDown`. */
  run(signal: AbortSignal): Promise<void>;
}

/** Listens when it returns; throws OperatorError for what the command line's author can mend. */
export async function startApiServer(
  options: ApiServerConfiguration,
  dependencies: ApiServerDependencies,
): Promise<RunningApiServer> {
  const { scheme, backend, clock, random, log } = dependencies;
  const clusterIpRange = parseCidr(options.services.clusterIpRange)!;
  const advertiseAddress = advertiseAddressOf(options);
  const advertise = `${advertiseAddress}:${options.securePort}`;
  const tls = await servingCertificate({
    certFile: options.tlsCertFile,
    keyFile: options.tlsPrivateKeyFile,
    certDir: options.certDir,
    name: 'apiserver',
    hosts: certificateNames(advertiseAddress, options.bindAddress, clusterIpRange),
    clock,
  });
  const clientCa = options.clientCaFile === '' ? undefined : readAuthorities('client-ca-file', options.clientCaFile);

  /** Ends what works behind the requests, once the last of them is answered. */
  const stopped = new AbortController();
  const admission: { chain: AdmissionChain } = { chain: createAdmissionChain([]) };
  const registry = createRegistry({
    scheme,
    backend,
    admission: { admit: (a) => admission.chain.admit(a), validate: (a) => admission.chain.validate(a) },
    clock,
    random,
    eventTtlSeconds: options.eventTtlMs / 1000,
    signal: stopped.signal,
  });
  const getCoreObject = coreObjectGetter(registry);
  const authentication = await configureAuthentication(options, getCoreObject, clock);
  const { authorizers, rules } = configureAuthorization(options.authorizationModes, registry);
  const authorizer = unionAuthorizer(authorizers);
  const services = createServiceAllocation(registry, clusterIpRange, options.services.nodePortRange, {
    clock,
    random,
    log,
  });
  admission.chain = createAdmissionChain(
    configureAdmission(options, { registry, authorizer, rules, clock, random, serviceAllocation: services.plugin }),
  );

  const endpoints = createEndpointReconciler(registry, advertiseAddress, options.securePort, clock, log);
  const identity = createIdentityLease(registry, hostname(), advertise, clock, log);
  const keepsEndpoints = options.endpointReconciler === 'lease';
  const hooks = createPostStartHooks({
    registry,
    parameters: {
      clusterIpRange,
      clusterIpRangeText: options.services.clusterIpRange,
      securePort: options.securePort,
      now: clock.now(),
      authenticationConfig: authenticationConfig(options, clientCa),
    },
    joinEndpoints: () => (keepsEndpoints ? endpoints.join() : Promise.resolve()),
    acquireIdentity: identity.acquire,
    clock,
    log,
  });

  const flows = options.priorityAndFairness ? await bootstrapFlows(clock.now()) : undefined;
  const seats = options.limits.maxRequestsInflight + options.limits.maxMutatingRequestsInflight;
  const flowControl = flows && new FlowControl(clock, seats, flows);
  const flowConfiguration = flowControl && createFlowConfiguration(registry, flowControl, flows, clock, log);

  let isShuttingDown = false;
  const checks = new Map<string, HealthCheck>([
    ...hooks.checks,
    ['etcd', (signal) => backend.ping(signal)],
    ['etcd-readiness', (signal) => backend.ping(signal)],
    ['informer-sync', () => assertTrue(backend.synced(), 'caches are not filled yet')],
    ['poststarthook/storage-readiness', () => assertTrue(backend.synced(), 'caches are not filled yet')],
    ['watch-cache-consistency', () => assertConsistent(backend.divergences())],
    ['shutdown', () => assertTrue(!isShuttingDown, 'the process is shutting down')],
  ]);
  if (flowConfiguration) {
    const isFollowing = () => assertTrue(flowConfiguration.synced(), 'flow schemas are not known yet');
    checks.set('poststarthook/priority-and-fairness-config-consumer', isFollowing);
  }
  const health = createHealth(checks, log, options.health.timeoutMs, (signal) => storeAdvice(backend, signal));
  const sizes = createStoreSizeMetrics({
    registry,
    condition: (signal) => backend.condition(signal),
    clock,
    countPollMs: options.etcd.countMetricPollMs,
    databasePollMs: options.etcd.databaseMetricPollMs,
    timeoutMs: options.health.timeoutMs,
  });
  const metrics = createRequestMetrics();
  const clientCertificates = createClientCertificateMetrics(clock);
  const own = ownMetrics(clock, tls.cert);
  const audit = await configureAudit(options.audit, { clock, random, log });
  const federation = createMetricsFederation({
    sources: options.federation.sources,
    tls: {
      ...(clientCa ? { ca: clientCa } : {}),
      ...optionalFile('cert', 'kubelet-client-certificate', options.federation.certFile),
      ...optionalFile('key', 'kubelet-client-key', options.federation.keyFile),
    },
    clock,
  });
  const discoverySource = { resources: () => scheme.resources(), revision: () => 1 };
  const externalAddress =
    options.externalHostname === '' ? advertise : `${options.externalHostname}:${options.securePort}`;
  const serviceAccounts = options.serviceAccounts;

  const server = createApiServer({
    registry,
    authenticators: [clientCertificates.counting(authentication.authenticator)],
    authorizers,
    nonResourceHandlers: [
      (request) => health.handle(request.url.pathname, request.url.searchParams),
      createDiscovery(discoverySource, externalAddress),
      createOpenApi(scheme, new Date(clock.now()).toUTCString()),
      createRootPaths(discoverySource, health.paths),
      createMetricsHandler(
        metrics,
        () =>
          dependencies.storeMetrics() +
          sizes.render() +
          renderStorageMetrics(registry.resources()) +
          audit.metrics.render() +
          (flowControl?.render() ?? '') +
          clientCertificates.render() +
          own(),
        federation,
      ),
      ...(flowControl ? [createFlowControlDebug(flowControl)] : []),
      createOidcDiscovery({
        issuer: serviceAccounts.issuers[0]!,
        jwksUri: serviceAccounts.jwksUri || `https://${externalAddress}/openid/v1/jwks`,
        keys: authentication.keys,
      }),
    ],
    extensionEndpoints: createReviews({
      authentication,
      serviceAccounts,
      authorizer,
      rules,
      getCoreObject,
      clock,
      randomUuid: randomUUID,
    }),
    listeners: [
      {
        host: options.bindAddress || '0.0.0.0',
        port: options.securePort,
        tls: { ...tls, ...(clientCa ? { clientCa } : {}) },
      },
      ...(options.health.port === 0
        ? []
        : [{ host: options.health.address, port: options.health.port, handler: health.handler }]),
    ],
    limits: options.limits,
    metrics,
    ...(flowControl ? { flowControl } : {}),
    ...(audit.auditor ? { auditor: audit.auditor } : {}),
    clock,
    random,
    log,
  });
  await server.start();

  const withdraw = async (): Promise<void> => {
    const left = endpoints
      .leave()
      .catch((error) => log.warn({ error: messageOf(error) }, 'the endpoint could not be withdrawn'));
    await Promise.race([left, sleep(clock, withdrawTimeoutMs)]);
  };
  const shutDown = async (stopStorage: () => void, background: Promise<unknown>): Promise<void> => {
    isShuttingDown = true;
    log.info({}, 'shutting down: not ready any more');
    await sleep(clock, options.shutdownDelayMs);
    if (keepsEndpoints) await withdraw();
    await server.stop(options.limits.requestTimeoutMs);
    await audit.close();
    stopStorage();
    await background;
  };
  return {
    server,
    registry,
    async run(signal) {
      const background = Promise.all([
        backend.run(stopped.signal),
        hooks.run(signal),
        keepsEndpoints ? endpoints.run(signal) : undefined,
        identity.run(signal),
        services.run(signal),
        sizes.run(signal),
        flowConfiguration?.run(signal),
      ]);
      const failed = background.then(() => undefined);
      await Promise.race([failed, aborted(signal)]);
      await shutDown(() => stopped.abort(), background);
    },
  };
}

function assertTrue(condition: boolean, why: string): void {
  if (!condition) throw new Error(why);
}

/** Which resources is told to whoever asks; which objects, and what is wrong with them, stands in the log. */
function assertConsistent(divergences: readonly Divergence[]): void {
  if (divergences.length === 0) return;
  const names = divergences.map(({ prefix, revision }) => `${prefix.split('/').slice(2, -1).join('/')} at ${revision}`);
  throw new PublicHealthError(`watch cache and store differ: ${names.join(', ')}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What aggregated servers need to trust the requests this one passes on. */
function authenticationConfig(options: ApiServerConfiguration, clientCa: string | undefined): Record<string, string> {
  const { requestHeader: header } = options;
  const data: Record<string, string> = {};
  if (clientCa) data['client-ca-file'] = clientCa;
  if (header.clientCaFile !== '') {
    data['requestheader-client-ca-file'] = readAuthorities('requestheader-client-ca-file', header.clientCaFile);
    data['requestheader-allowed-names'] = JSON.stringify(header.allowedNames);
    data['requestheader-extra-headers-prefix'] = JSON.stringify(header.extraHeadersPrefix);
    data['requestheader-group-headers'] = JSON.stringify(header.groupHeaders);
    data['requestheader-username-headers'] = JSON.stringify(header.usernameHeaders);
    if (header.uidHeaders.length > 0) data['requestheader-uid-headers'] = JSON.stringify(header.uidHeaders);
  }
  return data;
}

function optionalFile(name: 'cert' | 'key', flag: string, path: string): Record<string, string> {
  return path === '' ? {} : { [name]: readFileOf(flag, path) };
}
