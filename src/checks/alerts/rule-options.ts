/** What an operator may choose about the rules. */
export interface RuleOptions {
  /** Rates of the alerts that are no burn rates are taken over so long. */
  windowMs: number;
  /** No alert waits longer than this before it fires; undefined: each as long as it says. */
  forMaxMs: number | undefined;
  /** P99 of the API servers' answers, watches aside. */
  latencySeconds: number;
  /** Share of requests that the API servers answer with 5xx. */
  errorRatio: number;
  /** Attempts to schedule one pod. */
  schedulingAttempts: number;
  /** Share of requests that are to be answered without 5xx, and that are to be fast: 0.99. */
  objective: number;
  /** As many API servers are to be there: those that the load needs, and one more. */
  apiserversMin: number;
  /** As many members of the store are to be there: a majority. */
  storeMembersMin: number;
  storeLatencySeconds: number;
  /** A certificate that expires sooner is told; a seventh of it before the end it is urgent. */
  certificateExpiryMs: number;
  clockSkewSeconds: number;
}

export const ruleDefaults: RuleOptions = {
  windowMs: 5 * 60_000,
  forMaxMs: undefined,
  latencySeconds: 1,
  errorRatio: 0.01,
  schedulingAttempts: 5,
  objective: 0.99,
  apiserversMin: 3,
  storeMembersMin: 1,
  storeLatencySeconds: 0.5,
  certificateExpiryMs: 7 * 86_400_000,
  clockSkewSeconds: 2,
};
