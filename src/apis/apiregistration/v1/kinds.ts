import type { KindFolder } from '../../built-in-kinds.ts';
import { apiService } from './api-service.ts';

export const apiregistrationV1: KindFolder = { apiservices: apiService };
