/**
 * What families that are loaded on demand are made of: the words of the package, and the helpers of rules. They take all
 * of it from here, so that bundlers see one set of modules that every family needs, and keep it in one piece.
 */

export { fail } from '../errors.ts';
export * from '../model/dims.ts';
export * from '../words.ts';
export * from './activations.ts';
export * from './indexing.ts';
export * from './infer.ts';
export * from './reduce.ts';
export { parts, register } from './registry.ts';
export * from './sizes.ts';
export { type Cut, cutsOf, knownPositions } from './slicing.ts';
export * from './statistics.ts';
export * from './unary.ts';
