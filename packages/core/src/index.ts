export { VRAdamError, type VRAdamErrorCode } from './errors.ts';
