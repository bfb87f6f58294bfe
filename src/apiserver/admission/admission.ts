/** Admission: what may change or refuse a write after it was authorized. Mutating plugins first, validating last. */
import type { KubeObject } from '#apimachinery/object.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { UserInfo } from '../request.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionAttributes {
  operation: AdmissionOperation;
  resource: ResourceInfo;
  subresource: string;
  namespace: string;
  name: string;
  /** Undefined for DELETE. Mutating plugins change it in place. */
  object: KubeObject | undefined;
  /** Undefined for CREATE. */
  oldObject: KubeObject | undefined;
  /** CreateOptions, UpdateOptions, DeleteOptions. */
  options: Record<string, unknown>;
  dryRun: boolean;
  user: UserInfo;
  addWarning(text: string): void;
}

export interface AdmissionPlugin {
  /** Upstream's name: `NamespaceLifecycle`. */
  readonly name: string;
  handles(operation: AdmissionOperation): boolean;
  /** Changes `object` in place, or throws StatusError. */
  admit?(attributes: AdmissionAttributes): Promise<void> | void;
  /** Throws StatusError. */
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
}

/** All plugins in their order, as the registry runs them. */
export interface AdmissionChain {
  admit(attributes: AdmissionAttributes): Promise<void> | void;
  validate(attributes: AdmissionAttributes): Promise<void> | void;
}
