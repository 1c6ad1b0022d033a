// Opens a model for training and prints the address of every module that was loaded on the way, one a line.
//
//   node bench/loadedModules.mjs < model.onnx
//
// The loss is the mean of the output `losses`, or the cross-entropy of `logits` if there is none.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { MessageChannel } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';

const hook = `
  let port;
  export const initialize = (given) => void (port = given);
  export const load = (url, context, next) => (port.postMessage(url), next(url, context));
`;
const { port1, port2 } = new MessageChannel();
port1.on('message', (url) => console.log(url)).unref();
register(`data:text/javascript,${encodeURIComponent(hook)}`, { data: port2, transferList: [port2] });

const { createTrainingSession, crossEntropy, vradam } = await import('../dist/index.js');
const session = await createTrainingSession(ort, {
  model: new Uint8Array(readFileSync(0)),
  loss: (g, values) =>
    values.has('losses') ? g.reduceMean(values.get('losses')) : crossEntropy()(g, values),
  optimizer: vradam(),
});
await session.dispose();
