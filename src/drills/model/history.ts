/**
 * What clients asked of a store and what they were told: plain data, written by recorders and simulations, judged by
 * checker.ts, and printable as JSON. No clock and no I/O here.
 *
 * Time is a number of one monotonic clock that all clients share, in any unit. `a` happened before `b` only when
 * `a.returned < b.invoked`; equal numbers count as overlapping. Revisions are the store's: one number for each change
 * (a transaction of several keys has one), counted over all keys.
 *
 * So that a change in the store can be traced to its writer, no two writes of one history may have the same contents.
 */

export interface History {
  readonly operations: readonly OperationRecord[];
  readonly watches: readonly WatchRecord[];
}

// ---- Objects

/** What a client chooses of an object. */
export interface Contents {
  readonly data: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** An object as a server shows it. */
export interface Stored {
  readonly key: string;
  /** The revision that last changed it: `resourceVersion`, `mod_revision`. 0 where the server tells none. */
  readonly revision: number;
  readonly contents: Contents;
  /** Differs between an object and the one of the same key that was deleted before it. */
  readonly uid?: string;
  /** The revision that created it, where the server tells: `create_revision`. */
  readonly created?: number;
}

// ---- Operations

export interface OperationRecord {
  /** Unique in the history. */
  readonly id: number;
  /** A client has at most one operation under way. */
  readonly client: string;
  /** Whom it asked; absent when a load balancer chose. */
  readonly server?: string;
  readonly invoked: number;
  /** Absent when no answer came. Of an unknown outcome it says when the client gave up, which bounds nothing. */
  readonly returned?: number;
  readonly operation: Operation;
  readonly outcome: Outcome;
}

export type Operation = Get | List | Put | Create | Update | Patch | Delete | Txn;
export type OperationType = Operation['type'];

/**
 * How old an answer may be. `consistent`: no older than the request. `any`: as old as it likes, but of one server
 * never older than what that server told before (resourceVersion "0"). `atLeast`: of this revision or newer.
 * `exact`: the state at this revision.
 */
export type Freshness = 'consistent' | 'any' | { readonly atLeast: number } | { readonly exact: number };

export interface Get {
  readonly type: 'get';
  readonly key: string;
  readonly freshness: Freshness;
}

/** One page of a list, or all of it. */
export interface List {
  readonly type: 'list';
  readonly prefix: string;
  /** Upstream's text form, `color=red,tier!=web`. Absent: everything. */
  readonly labelSelector?: string;
  readonly freshness: Freshness;
  readonly limit?: number;
  /** The id of the operation that gave the page before this one. */
  readonly continues?: number;
}

/** Whatever is there, or nothing. */
export interface Put {
  readonly type: 'put';
  readonly key: string;
  readonly contents: Contents;
}

/** Only where nothing is. */
export interface Create {
  readonly type: 'create';
  readonly key: string;
  readonly contents: Contents;
}

/** Only what is there, and, when given, only at this revision and of this uid. */
export interface Update {
  readonly type: 'update';
  readonly key: string;
  readonly contents: Contents;
  readonly revision?: number;
  readonly uid?: string;
}

/** Merges into what is there: a null removes the entry. */
export interface Patch {
  readonly type: 'patch';
  readonly key: string;
  readonly data?: Readonly<Record<string, string | null>>;
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly revision?: number;
  readonly uid?: string;
}

export interface Delete {
  readonly type: 'delete';
  readonly key: string;
  readonly revision?: number;
  readonly uid?: string;
}

/** All at one revision. `success` when every compare holds, else `failure`; a step sees the state before the txn. */
export interface Txn {
  readonly type: 'txn';
  readonly compare: readonly TxnCompare[];
  readonly success: readonly TxnStep[];
  readonly failure: readonly TxnStep[];
}

/** The key's object was last changed at this revision; 0: there is none. */
export interface TxnCompare {
  readonly key: string;
  readonly revision: number;
}

/** No key twice in one branch. A `delete` of what is not there changes nothing. */
export type TxnStep =
  | { readonly type: 'put'; readonly key: string; readonly contents: Contents }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'get'; readonly key: string };

// ---- Outcomes

export type Outcome = Succeeded | Failed | Unknown;

export interface Succeeded {
  readonly type: 'ok';
  /**
   * Of a write: the revision it made. Of a read: the revision of the state that was read. Absent where the server
   * does not tell (a Kubernetes GET or DELETE).
   */
  readonly revision?: number;
  /** Of a get: what was there, null for nothing. Of a write: the object as the server returned it. */
  readonly object?: Stored | null;
  /** Of a list: this page, in the server's order. */
  readonly objects?: readonly Stored[];
  /** Of a list: another page follows. */
  readonly more?: boolean;
  /** Of a put or delete: what was there before, null for nothing. */
  readonly previous?: Stored | null;
  /** Of a delete: whom it deleted. */
  readonly uid?: string;
  /** Of a txn: the compares held. */
  readonly succeeded?: boolean;
  /** Of a txn: what its `get` steps found, in their order. */
  readonly found?: readonly (Stored | null)[];
}

/**
 * Certainly without effect. `exists`, `absent` and `conflict` (there, but of another revision or uid than asked for)
 * are statements about the state; `expired` about history that is gone; `refused` says nothing of the state.
 */
export interface Failed {
  readonly type: 'failed';
  readonly reason: 'exists' | 'absent' | 'conflict' | 'expired' | 'refused';
  readonly message?: string;
}

/** A write may have happened, may happen later, or never. */
export interface Unknown {
  readonly type: 'unknown';
  readonly message?: string;
}

// ---- Watches

/** One stream from its request to its end. A client that resumes makes another record. */
export interface WatchRecord {
  /** Unique among the watches of the history. */
  readonly id: number;
  readonly client: string;
  readonly server?: string;
  readonly prefix: string;
  readonly labelSelector?: string;
  readonly start: WatchStart;
  /** The watch this one goes on from, perhaps at another server; its `after` is then the last revision of that one. */
  readonly resumes?: number;
  readonly invoked: number;
  /** When the stream ended or the recording did. */
  readonly ended: number;
  readonly items: readonly WatchItem[];
}

/** Every change after this revision; or first the state (no older than this freshness) as ADDED and a bookmark. */
export type WatchStart = { readonly after: number } | { readonly initial: Exclude<Freshness, { exact: number }> };

export type WatchItem = WatchEventItem | WatchBookmark | WatchError;

export interface WatchEventItem {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly at: number;
  readonly key: string;
  /** Of a DELETED: the revision at which it was deleted, or ceased to match. */
  readonly revision: number;
  /** Of a DELETED: what it was last, where the server tells. */
  readonly contents?: Contents;
  readonly uid?: string;
  readonly created?: number;
  /** What was there before, where the server tells (`prev_kv`). */
  readonly previous?: Stored | null;
  /** Events that came in one message have one number. Absent where messages are of one event. */
  readonly batch?: number;
}

/** All changes up to this revision have been told: BOOKMARK, a progress notification. */
export interface WatchBookmark {
  readonly type: 'BOOKMARK';
  readonly at: number;
  readonly revision: number;
  /** Ends the initial events. */
  readonly isInitialEnd?: boolean;
}

export interface WatchError {
  readonly type: 'ERROR';
  readonly at: number;
  readonly reason: 'expired' | 'other';
  readonly message?: string;
}

// ---- The truth

/** Everything that happened in the store, from whoever knows: judged against it, or merged from a history. */
export interface StoreHistory {
  /** The state at `since`; absent: nothing. */
  readonly initial?: readonly Stored[];
  /** Complete after this revision … */
  readonly since: number;
  /** … up to and including this one. */
  readonly until: number;
  /** In the order of revisions. */
  readonly events: readonly StoreEvent[];
}

export interface StoreEvent {
  readonly revision: number;
  readonly key: string;
  /** Null: deleted. */
  readonly contents: Contents | null;
  readonly uid?: string;
  readonly created?: number;
}
