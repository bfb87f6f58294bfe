import type { KindFolder } from '../../built-in-kinds.ts';
import { cronJob } from './cron-job.ts';
import { job } from './job.ts';

export const batchV1: KindFolder = {
  cronjobs: cronJob,
  jobs: job,
};
