import type { KindFolder } from '../../built-in-kinds.ts';
import { certificateSigningRequest } from './certificate-signing-request.ts';

export const certificatesV1: KindFolder = { certificatesigningrequests: certificateSigningRequest };
