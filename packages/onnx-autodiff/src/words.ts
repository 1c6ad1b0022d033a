/** What both entries offer. */

export { backward } from './backward.ts';
export {
  type GradientModel,
  type GradientOptions,
  gradients,
  lossOf,
  trainableNames,
} from './gradients.ts';
export {
  type Binary,
  type ConvAttributes,
  type ConvTransposeAttributes,
  GraphBuilder,
  type Operand,
  type PoolAttributes,
  type Unary,
} from './graph/builder.ts';
export type { Graph, GraphOptions, NodeOptions } from './graph/graph.ts';
export {
  type BuildOptions,
  buildModel,
  type LoadedGraph,
  type LoadOptions,
  loadGraph,
} from './graph/load.ts';
export {
  type AttributeValues,
  float,
  type HasAttributes,
  int,
  ints,
  type Node,
  text,
  type Value,
} from './graph/value.ts';
export { type HessianModel, hessianVectorProduct, multiplyHessian } from './hessian.ts';
export {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  type HuberOptions,
  huber,
  type Loss,
  meanAbsoluteError,
  meanSquaredError,
  type Reduction,
  type TargetOptions,
} from './losses.ts';
export { type MemoryReport, memoryOf } from './memory.ts';
export { type DecodeOptions, decodeModel } from './model/decode.ts';
export { evaluateDim } from './model/dims.ts';
export { encodeModel } from './model/encode.ts';
export type { ExternalData } from './model/externalData.ts';
export type {
  Attribute,
  Attributes,
  Conversion,
  DataType,
  Dim,
  FunctionSpec,
  Model,
  NodeSpec,
  Shape,
  Tensor,
  TensorData,
  ValueSpec,
} from './model/model.ts';
export { emptyData, isFloat, type NumberArray, numbersOf, sizeOf, tensor } from './model/tensors.ts';
export type { Backward, Call, Infer, Operator, OperatorTable, Rule, TypeInfo } from './operators/operator.ts';
export { nonChannelAxes } from './operators/statistics.ts';
