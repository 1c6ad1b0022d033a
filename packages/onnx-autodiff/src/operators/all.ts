/** All operators, from the start: whoever imports this need not wait for any. */

import '../graph/inline.ts';
import './batchNormalization.ts';
import './depthToSpace.ts';
import './dropout.ts';
import './einsum.ts';
import './furtherFunctions.ts';
import './furtherImages.ts';
import './furtherIndexing.ts';
import './furtherReductions.ts';
import './groupNormalization.ts';
import './images.ts';
import './normalization.ts';
import './rearranging.ts';
import './resize.ts';
import './scattering.ts';
import type { OperatorTable } from './operator.ts';
import { registered } from './registry.ts';
import { first } from './table.ts';

/** ONNX's operators by name. */
export const operators: OperatorTable = { ...first, ...registered };
