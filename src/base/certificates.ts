/**
 * Makes X.509 certificates: ECDSA P-256, as small and fast as TLS allows; PEM in, PEM out. Import it when a certificate
 * must be made and not before: the library behind it takes longer to load than most processes take to start.
 */
import 'reflect-metadata'; // @peculiar/x509 asks for it
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { Clock } from './clock.ts';

cryptoProvider.set(webcrypto as Crypto);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface KeyPairPem {
  cert: string;
  key: string;
}

export interface CertificateAuthority extends KeyPairPem {
  issuer: X509Certificate;
  signingKey: webcrypto.CryptoKey;
}

export interface CertificateRequest {
  commonName: string;
  organizations?: string[];
  usages: ('server' | 'client')[];
  /** Subject alternative names of a server certificate. */
  dnsNames?: string[];
  ipAddresses?: string[];
}

const dayMs = 86_400_000;
/** kubeadm's: ten years for an authority, one for what it signs. */
const authorityDays = 3650;
const leafDays = 365;
/** A machine whose clock is a little behind must not find a new certificate invalid. */
const backdateMs = 5 * 60_000;

export async function createAuthority(commonName: string, clock: Clock): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const issuer = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    ...validity(authorityDays, clock),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: issuer.toString('pem'), key: await exportKey(keys.privateKey), issuer, signingKey: keys.privateKey };
}

export async function loadAuthority(pem: KeyPairPem): Promise<CertificateAuthority> {
  const der = PemConverter.decode(pem.key)[0]!;
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  return { ...pem, issuer: new X509Certificate(pem.cert), signingKey };
}

export async function issue(ca: CertificateAuthority, request: CertificateRequest, clock: Clock): Promise<KeyPairPem> {
  const keys = await generateKeys();
  const names = [
    ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usages = request.usages.map((u) =>
    u === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth,
  );
  const certificate = await X509CertificateGenerator.create({
    subject: [...(request.organizations ?? []).map((o) => ({ O: [o] })), { CN: [request.commonName] }],
    issuer: ca.issuer.subject,
    ...validity(leafDays, clock),
    publicKey: keys.publicKey,
    signingKey: ca.signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension(usages),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** A server's certificate that vouches for itself, for a year: for whoever was given none. */
export async function selfSigned(commonName: string, hosts: readonly string[], clock: Clock): Promise<KeyPairPem> {
  const keys = await generateKeys();
  const names = [...new Set(['localhost', '127.0.0.1', ...hosts])].filter((host) => host !== '');
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`${commonName}@${Math.floor(clock.now() / 1000)}`] }],
    ...validity(leafDays, clock),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
    ],
  });
  return { cert: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** A key pair for signing service account tokens: PKCS#8 private and SPKI public, PEM. */
export async function createSigningKey(): Promise<{ privateKey: string; publicKey: string }> {
  const keys = await generateKeys();
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey);
  return {
    privateKey: await exportKey(keys.privateKey),
    publicKey: `${PemConverter.encode(spki, 'PUBLIC KEY')}\n`,
  };
}

/** What a PEM request for a certificate (PKCS #10) says its subject belongs to. Throws for one that cannot be read. */
export async function organizationsOfRequest(pem: string): Promise<string[]> {
  return new Pkcs10CertificateRequest(pem).subjectName.getField('O');
}

export function expiresAt(certPem: string): Date {
  return new X509Certificate(certPem).notAfter;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function validity(days: number, clock: Clock): { notBefore: Date; notAfter: Date; serialNumber: string } {
  const serial = webcrypto.getRandomValues(new Uint8Array(8));
  serial[0]! &= 0x7f;
  return {
    notBefore: new Date(clock.now() - backdateMs),
    notAfter: new Date(clock.now() + days * dayMs),
    serialNumber: Buffer.from(serial).toString('hex'),
  };
}
