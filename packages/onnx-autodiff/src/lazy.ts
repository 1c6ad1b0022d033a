/** The entry of whoever can wait: operators that few models have are loaded when a model names one. */

export { loadOperators, withOperators } from './operators/onDemand.ts';
export { first as operators } from './operators/table.ts';
export * from './words.ts';
