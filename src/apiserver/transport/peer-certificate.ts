import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '../request.ts';

/** What a client showed of itself at the start of its connection. */
export interface Peer {
  remoteAddress: string;
  certificate: PeerCertificate | undefined;
  /** Why the certificate it showed is not believed. */
  certificateError: string | undefined;
}

/** Who a verified client certificate says it is: CN is the user, O its groups. */
export function peerOf(socket: Socket): Peer {
  const remoteAddress = socket.remoteAddress ?? '';
  const nobody = { remoteAddress, certificate: undefined, certificateError: undefined };
  if (!(socket instanceof TLSSocket)) return nobody;
  const shown = socket.getPeerCertificate();
  const subject = shown?.subject as Record<string, string | string[] | undefined> | undefined;
  if (!subject) return nobody;
  if (!socket.authorized) return { ...nobody, certificateError: String(socket.authorizationError) };
  // Of several, Go takes the last.
  const commonName = list(subject['CN']).at(-1);
  if (commonName === undefined) return nobody;
  const uid = list(subject[uidAttribute])[0];
  const certificate = {
    commonName,
    organizations: list(subject['O']),
    ...(uid === undefined ? {} : { uid }),
    expiresAtMs: Date.parse(shown.valid_to),
  };
  return { ...nobody, certificate };
}

/** Upstream's own attribute for a user's uid in a certificate's subject. */
const uidAttribute = '1.3.6.1.4.1.57683.2';

function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
