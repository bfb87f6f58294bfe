/**
 * Within a simulation nothing real may be asked: no clock, no timer, no chance. Who does is told so at once, instead of
 * making runs that cannot be repeated.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);
const nodeCrypto = require('node:crypto') as Record<string, unknown>;

interface Forbidden {
  object: Record<string, any>;
  name: string;
}

const forbidden: readonly Forbidden[] = [
  ...['setTimeout', 'setInterval', 'setImmediate'].map((name) => ({ object: globalThis, name })),
  { object: Date, name: 'now' },
  { object: Math, name: 'random' },
  { object: performance, name: 'now' },
  { object: process, name: 'hrtime' },
  ...['randomUUID', 'getRandomValues'].map((name) => ({ object: globalThis.crypto, name })),
  ...['randomBytes', 'randomUUID', 'randomInt', 'randomFillSync'].map((name) => ({ object: nodeCrypto, name })),
];

/** Runs `body` without the real world. Touching it is reported to `onTouch` by name, and throws. */
export async function withoutRealWorld<T>(onTouch: (name: string) => void, body: () => Promise<T>): Promise<T> {
  const restore = forbidden.map(({ object, name }) => {
    const own = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, {
      configurable: true,
      writable: true,
      value: () => {
        onTouch(name);
        throw new Error(`the simulated world has no ${name}`);
      },
    });
    return () => {
      if (own) Object.defineProperty(object, name, own);
      else delete object[name];
    };
  });
  syncBuiltinESMExports();
  try {
    return await body();
  } finally {
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  }
}
