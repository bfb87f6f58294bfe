import type { AuditEvent } from './event.ts';

/** --audit-log-format=legacy: one line of text for an event. */
export function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser } = event;
  const fields = [
    `id=${quote(event.auditID)}`,
    `stage=${quote(event.stage)}`,
    `ip=${quote(event.sourceIPs[0] ?? '<unknown>')}`,
    `method=${quote(event.verb)}`,
    `user=${quote(user.username ?? '<none>')}`,
    `groups=${user.username === undefined ? '<none>' : quoteAll(user.groups, '<none>')}`,
    `as=${quote(impersonatedUser?.username ?? '<self>')}`,
    `asgroups=${quoteAll(impersonatedUser?.groups, '<lookup>')}`,
    `user-agent=${quote(event.userAgent ?? '')}`,
    `namespace=${event.objectRef?.namespace ?? '<none>'}`,
    `uri=${quote(event.requestURI)}`,
    `response="${event.responseStatus?.code ?? '<deferred>'}"`,
  ];
  return `${event.requestReceivedTimestamp} AUDIT: ${fields.join(' ')}`;
}

/** JSON's quoting, which is Go's but for rare control characters: a line stays a line whatever a client sends. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function quoteAll(texts: readonly string[] | undefined, none: string): string {
  return texts && texts.length > 0 ? texts.map(quote).join(',') : none;
}
