import type { Filter } from '../request.ts';
import { parseRequestInfo } from '../request-info.ts';

export const requestInfo: Filter = (request, next) => {
  request.info = parseRequestInfo(request.method, request.url);
  return next(request);
};
