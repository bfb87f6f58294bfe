/** The real schemas, and objects that tests of several files use. */
import { readFileSync } from 'node:fs';
import { SchemaSet } from '../schema/schema.ts';

const facts = new URL('../../apis/facts/schema-facts.json', import.meta.url);
export const schemas = new SchemaSet(JSON.parse(readFileSync(facts, 'utf8')));

export const schemaNames = {
  deployment: 'io.k8s.api.apps.v1.Deployment',
  pod: 'io.k8s.api.core.v1.Pod',
  service: 'io.k8s.api.core.v1.Service',
  configMap: 'io.k8s.api.core.v1.ConfigMap',
  secret: 'io.k8s.api.core.v1.Secret',
  lease: 'io.k8s.api.coordination.v1.Lease',
  crd: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
} as const;

/** A deployment as people write them: two containers, probes, volumes. */
export function typicalDeployment() {
  const probe = { httpGet: { path: '/healthz', port: 8080 }, initialDelaySeconds: 5, periodSeconds: 10 };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: 'web',
      namespace: 'shop',
      labels: { app: 'web', tier: 'frontend' },
      annotations: { 'example.com/owner': 'team-a' },
    },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
      template: {
        metadata: { labels: { app: 'web', tier: 'frontend' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'registry.example/web:1.2.3',
              args: ['--port=8080', '--log-level=info'],
              ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
              env: [
                { name: 'MODE', value: 'production' },
                { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              ],
              resources: { requests: { cpu: '250m', memory: '128Mi' }, limits: { memory: '256Mi' } },
              livenessProbe: probe,
              readinessProbe: probe,
              volumeMounts: [{ name: 'config', mountPath: '/etc/web' }],
            },
            { name: 'proxy', image: 'registry.example/proxy:2', ports: [{ containerPort: 9000 }] },
          ],
          volumes: [
            { name: 'config', configMap: { name: 'web' } },
            { name: 'tmp', emptyDir: {} },
          ],
          terminationGracePeriodSeconds: 30,
          securityContext: {},
        },
      },
    },
  };
}
