/** Which flow a request belongs to: FlowSchemas, compiled once per change, asked in order of precedence. */
import type { KubeObject } from '#apimachinery/object.ts';
import type { ApiRequest, RequestInfo, UserInfo } from '../request.ts';

export interface FlowSchema {
  readonly name: string;
  readonly uid: string;
  readonly precedence: number;
  readonly levelName: string;
  readonly distinguisher: 'ByUser' | 'ByNamespace' | undefined;
  matches(request: ApiRequest): boolean;
}

/** In the order in which they are asked: the lower precedence number, then the name. */
export function compileFlowSchemas(objects: readonly KubeObject[]): FlowSchema[] {
  return objects
    .map(compileFlowSchema)
    .sort((a, b) => a.precedence - b.precedence || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

export function compileFlowSchema(object: KubeObject): FlowSchema {
  const spec: FlowSchemaSpec = object['spec'] ?? {};
  const rules = (spec.rules ?? []).map(compileRule);
  return {
    name: object.metadata.name ?? '',
    uid: object.metadata.uid ?? '',
    precedence: spec.matchingPrecedence ?? 1000,
    levelName: spec.priorityLevelConfiguration?.name ?? '',
    distinguisher: spec.distinguisherMethod?.type,
    matches(request) {
      for (const rule of rules) if (matchesRule(rule, request)) return true;
      return false;
    },
  };
}

/** Requests of one flow compete with each other, flows with other flows. */
export function distinguisherOf(schema: FlowSchema, request: ApiRequest): string {
  switch (schema.distinguisher) {
    case 'ByUser':
      return request.user!.name;
    case 'ByNamespace':
      return request.info.namespace;
    default:
      return '';
  }
}

interface FlowSchemaSpec {
  matchingPrecedence?: number;
  priorityLevelConfiguration?: { name?: string };
  distinguisherMethod?: { type: 'ByUser' | 'ByNamespace' };
  rules?: RuleSpec[];
}

interface RuleSpec {
  subjects?: {
    kind: string;
    user?: { name: string };
    group?: { name: string };
    serviceAccount?: { namespace: string; name: string };
  }[];
  resourceRules?: {
    verbs?: string[];
    apiGroups?: string[];
    resources?: string[];
    clusterScope?: boolean;
    namespaces?: string[];
  }[];
  nonResourceRules?: { verbs?: string[]; nonResourceURLs?: string[] }[];
}

interface Rule {
  isAnyone: boolean;
  users: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  /** Service accounts of a whole namespace, by the user name's prefix. */
  userPrefixes: readonly string[];
  resourceRules: readonly ResourceRule[];
  nonResourceRules: readonly NonResourceRule[];
}

interface ResourceRule {
  verbs: Names;
  apiGroups: Names;
  resources: Names;
  namespaces: Names;
  clusterScope: boolean;
}

interface NonResourceRule {
  verbs: Names;
  paths: Names;
  /** `/debug/*` without its star. */
  pathPrefixes: readonly string[];
}

/** A list in which `*` is everything. */
interface Names {
  isAny: boolean;
  set: ReadonlySet<string>;
}

function namesOf(list: readonly string[] | undefined): Names {
  return { isAny: list?.includes('*') ?? false, set: new Set(list) };
}

function compileRule({ subjects = [], resourceRules = [], nonResourceRules = [] }: RuleSpec): Rule {
  const users = new Set<string>();
  const groups = new Set<string>();
  const userPrefixes: string[] = [];
  for (const { kind, user, group, serviceAccount: account } of subjects) {
    if (kind === 'User' && user) users.add(user.name);
    else if (kind === 'Group' && group) groups.add(group.name);
    else if (kind === 'ServiceAccount' && account) {
      const prefix = `system:serviceaccount:${account.namespace}:`;
      if (account.name === '*') userPrefixes.push(prefix);
      else users.add(prefix + account.name);
    }
  }
  return {
    isAnyone: users.has('*') || groups.has('*'),
    users,
    groups,
    userPrefixes,
    resourceRules: resourceRules.map((rule) => ({
      verbs: namesOf(rule.verbs),
      apiGroups: namesOf(rule.apiGroups),
      resources: namesOf(rule.resources),
      namespaces: namesOf(rule.namespaces),
      clusterScope: rule.clusterScope ?? false,
    })),
    nonResourceRules: nonResourceRules.map(({ verbs, nonResourceURLs = [] }) => ({
      verbs: namesOf(verbs),
      paths: namesOf(nonResourceURLs),
      pathPrefixes: nonResourceURLs.filter((url) => url !== '*' && url.endsWith('*')).map((url) => url.slice(0, -1)),
    })),
  };
}

function matchesRule(rule: Rule, { user, info }: ApiRequest): boolean {
  if (!matchesSubject(rule, user!)) return false;
  if (info.isResourceRequest) {
    for (const candidate of rule.resourceRules) if (matchesResource(candidate, info)) return true;
  } else {
    for (const candidate of rule.nonResourceRules) if (matchesPath(candidate, info)) return true;
  }
  return false;
}

function matchesSubject(rule: Rule, user: UserInfo): boolean {
  if (rule.isAnyone || rule.users.has(user.name)) return true;
  for (const group of user.groups) if (rule.groups.has(group)) return true;
  for (const prefix of rule.userPrefixes) if (user.name.startsWith(prefix)) return true;
  return false;
}

function matchesResource(rule: ResourceRule, info: RequestInfo): boolean {
  if (!has(rule.verbs, info.verb) || !has(rule.apiGroups, info.group)) return false;
  if (!rule.resources.isAny) {
    const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
    if (!rule.resources.set.has(resource)) return false;
  }
  return info.namespace === '' ? rule.clusterScope : has(rule.namespaces, info.namespace);
}

function matchesPath(rule: NonResourceRule, { verb, path }: RequestInfo): boolean {
  if (!has(rule.verbs, verb)) return false;
  if (has(rule.paths, path)) return true;
  for (const prefix of rule.pathPrefixes) if (path.startsWith(prefix)) return true;
  return false;
}

function has(names: Names, name: string): boolean {
  return names.isAny || names.set.has(name);
}
