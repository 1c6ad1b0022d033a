/**
 * What the parts that are loaded on demand need of the rest. They take it from here, all of it or some, so that bundlers
 * see one set of modules that every part needs, and keep it in one piece.
 */

export * from './createTrainingSession.ts';
export { fail, show } from './errors.ts';
export * from './executable.ts';
export * from './graphs.ts';
export * from './hostOps.ts';
export * from './runtime.ts';
export * from './update/update.ts';
