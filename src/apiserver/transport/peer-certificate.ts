import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '../request.ts';

/** Who a verified client certificate says it is: CN is the user, O its groups. Undefined: none shown, or not verified. */
export function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  if (!socket.authorized) return undefined;
  const subject = socket.getPeerCertificate()?.subject as Record<string, string | string[] | undefined> | undefined;
  const commonName = list(subject?.['CN'])[0];
  if (commonName === undefined) return undefined;
  const uid = list(subject?.[uidAttribute])[0];
  return { commonName, organizations: list(subject?.['O']), ...(uid === undefined ? {} : { uid }) };
}

/** Upstream's own attribute for a user's uid in a certificate's subject. */
const uidAttribute = '1.3.6.1.4.1.57683.2';

function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
