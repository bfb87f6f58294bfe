import { encodeJson } from '#apimachinery/json/encode-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { ResourceCodec, StoredObject } from '#storage/storage.ts';

/** An object in an entry's clothes that is not in the store: a dry run's outcome, or what an update has just ended. */
export class EphemeralEntry implements StoredObject {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly fields: Readonly<Record<string, string>>;

  constructor(codec: ResourceCodec, key: string, object: KubeObject) {
    this.key = key;
    this.revision = Number(object.metadata.resourceVersion ?? '0');
    const { kind, apiVersion, metadata, ...rest } = object;
    this.bytes = Buffer.from(encodeJson({ kind, apiVersion, metadata, ...rest }));
    this.labels = metadata.labels;
    this.fields = codec.selectableFields(object);
  }

  object(): KubeObject {
    return JSON.parse(this.bytes.toString());
  }
}
