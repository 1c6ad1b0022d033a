export { operators } from './operators/all.ts';
export * from './words.ts';
