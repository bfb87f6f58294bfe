/** Lets others verify our service account tokens: OpenID Connect discovery and the public keys (RFC 7517). */
import type { ApiRequest, ApiResponse } from '../request.ts';
import type { VerificationKey } from './jwt.ts';

export interface OidcDiscoveryOptions {
  issuer: string;
  /** Where the keys are, for those who read the discovery document. */
  jwksUri: string;
  keys: readonly VerificationKey[];
}

/** `undefined`: not one of its two paths. */
export function createOidcDiscovery(options: OidcDiscoveryOptions) {
  const { issuer, jwksUri, keys } = options;
  let configuration: Buffer | undefined;
  let jwks: Buffer | undefined;
  return async (request: ApiRequest): Promise<ApiResponse | undefined> => {
    const path = request.url.pathname;
    if (path === '/.well-known/openid-configuration') {
      configuration ??= Buffer.from(
        JSON.stringify({
          issuer,
          jwks_uri: jwksUri,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: [...new Set(keys.map((k) => k.algorithm))].sort(),
        }),
      );
      return cached('application/json', configuration);
    }
    if (path !== '/openid/v1/jwks') return undefined;
    jwks ??= Buffer.from(
      JSON.stringify({
        keys: keys.map((k) => ({ ...k.publicKey.export({ format: 'jwk' }), use: 'sig', kid: k.id, alg: k.algorithm })),
      }),
    );
    return cached('application/jwk-set+json', jwks);
  };
}

function cached(type: string, body: Buffer): ApiResponse {
  return { status: 200, headers: { 'content-type': type, 'cache-control': 'public, max-age=3600' }, body };
}
