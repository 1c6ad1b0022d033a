/** Operators on images: convolution and pooling. */

import { conv } from './conv.ts';
import { register } from './kit.ts';
import { pool } from './pool.ts';

register({ ...conv, ...pool });
