/**
 * tfjs-core's own optimizer specs, from the installed package, against our optimizers configured to be equal.
 *
 * Our `SGD` with momentum stands in for tfjs's Momentum: our `Momentum` averages gradients, tfjs's sums them.
 */

import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-core/dist/optimizers/adam_optimizer_test';
import '@tensorflow/tfjs-core/dist/optimizers/momentum_optimizer_test';
import '@tensorflow/tfjs-core/dist/optimizers/optimizer_test';
import '@tensorflow/tfjs-core/dist/optimizers/sgd_optimizer_test';
