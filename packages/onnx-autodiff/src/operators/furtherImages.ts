/** Operators on images that fewer models have: transposed convolution, poolings of whole images and by norms. */

import { convTranspose } from './convTranspose.ts';
import { globalPools } from './globalPool.ts';
import { register } from './kit.ts';

register({ ...convTranspose, ...globalPools });
