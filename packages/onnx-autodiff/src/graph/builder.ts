/**
 * The words in which models and gradients are written.
 *
 * Operands are values of this graph or plain numbers, which become scalars of the other operand's type. Shapes are
 * inferred at once and mistakes are thrown where they are made. Methods are named after ONNX's operators and
 * mean what these mean. Over 300 lines, as a vocabulary is read in one place: a line of meaning for a line of code.
 */

import { fail } from '../errors.ts';
import { isStatic, sameShape } from '../model/dims.ts';
import type { DataType, Shape, Tensor } from '../model/model.ts';
import { tensor } from '../model/tensors.ts';
import { Graph } from './graph.ts';
import { joinTerms } from './simplifyArithmetic.ts';
import { type AttributeValues, toAttributes, type Value } from './value.ts';

/** A value, or a number that becomes a scalar of the other operand's type. */
export type Operand = Value | number;

/** A word of one operand. */
export type Unary = (x: Value) => Value;
/** A word of two operands, which broadcast. */
export type Binary = (a: Operand, b: Operand) => Value;

/** Attributes of a convolution, as ONNX has them. */
export interface ConvAttributes {
  /** Step by axis. Default 1. */
  readonly strides?: readonly number[];
  /** Zeros before each axis, then after each. Default 0. */
  readonly pads?: readonly number[];
  /** Distance between taps by axis. Default 1. */
  readonly dilations?: readonly number[];
  /** Groups of channels. Default 1. */
  readonly group?: number;
  /** Size of the kernel by axis. Default: that of the weight. */
  readonly kernel_shape?: readonly number[];
}

/** Attributes of a transposed convolution. */
export interface ConvTransposeAttributes extends ConvAttributes {
  /** Elements added after each axis of the output. Default 0. */
  readonly output_padding?: readonly number[];
}

/** Attributes of a pooling. */
export interface PoolAttributes extends ConvAttributes {
  /** Size of the window by axis. */
  readonly kernel_shape: readonly number[];
  /** Rounds sizes up. Default 0. */
  readonly ceil_mode?: number;
}

/** A graph with words. */
export class GraphBuilder extends Graph {
  /** Applies an operator; gives its first output. */
  op(type: string, inputs: readonly (Value | undefined)[], attributes: AttributeValues = {}): Value {
    return this.node(type, inputs, toAttributes(attributes))[0] as Value;
  }

  /** Applies an operator; gives its first `count` outputs. */
  ops(
    type: string,
    inputs: readonly (Value | undefined)[],
    attributes: AttributeValues,
    count: number,
  ): readonly Value[] {
    return this.node(type, inputs, toAttributes(attributes), { outputs: count });
  }

  /** A constant of numbers. */
  constant(
    data: readonly number[],
    shape: readonly number[] = [data.length],
    dtype: DataType = 'float32',
  ): Value {
    return this.constantTensor(tensor(dtype, shape, data));
  }

  /** An int64 vector. */
  ints(values: readonly number[]): Value {
    return this.shared(`ints ${values}`, () => this.constant(values, [values.length], 'int64'));
  }

  /** A scalar, by default of float32. */
  scalar(value: number, dtype: DataType = 'float32'): Value {
    // -0 is another number than 0, in spite of its text
    const key = `${dtype} ${Object.is(value, -0) ? '-0' : value}`;
    return this.shared(key, () => this.constant([value], [], dtype));
  }

  /** A constant from typed data. */
  tensor(value: Tensor, name?: string): Value {
    return this.constantTensor(value, name);
  }

  #pair(a: Operand, b: Operand): [Value, Value] {
    if (typeof a === 'number' && typeof b === 'number') return [this.scalar(a), this.scalar(b)];
    if (typeof a === 'number') return [this.scalar(a, (b as Value).dtype), b as Value];
    return [a, typeof b === 'number' ? this.scalar(b, a.dtype) : b];
  }

  #unary(type: string): Unary {
    return (x) => this.op(type, [x]);
  }

  #binary(type: string): Binary {
    return (a, b) => this.op(type, this.#pair(a, b));
  }

  /** `a + b`. */
  add: Binary = this.#binary('Add');
  /** `a - b`. */
  sub: Binary = this.#binary('Sub');
  /** `a b`. */
  mul: Binary = this.#binary('Mul');
  /** `a / b`. */
  div: Binary = this.#binary('Div');
  /** `a ^ b`. */
  pow: Binary = this.#binary('Pow');
  /** `a > b`. */
  greater: Binary = this.#binary('Greater');
  /** `a < b`. */
  less: Binary = this.#binary('Less');
  /** `a >= b`. */
  greaterOrEqual: Binary = this.#binary('GreaterOrEqual');
  /** `a <= b`. */
  lessOrEqual: Binary = this.#binary('LessOrEqual');
  /** `a = b`. */
  equal: Binary = this.#binary('Equal');
  /** The smaller one. */
  min: Binary = this.#binary('Min');
  /** The larger one. */
  max: Binary = this.#binary('Max');
  /** Sum of one or more values; of Adds, as not every execution provider has a kernel for Sum. */
  sum = (terms: readonly Value[]): Value => joinTerms(this, terms).reduce((sum, term) => this.add(sum, term));

  /** `-x`. */
  neg: Unary = this.#unary('Neg');
  /** `|x|`. */
  abs: Unary = this.#unary('Abs');
  /** -1, 0 or 1. */
  sign: Unary = this.#unary('Sign');
  /** `e^x`. */
  exp: Unary = this.#unary('Exp');
  /** Natural logarithm. */
  log: Unary = this.#unary('Log');
  /** Square root. */
  sqrt: Unary = this.#unary('Sqrt');
  /** `1 / x`. */
  reciprocal: Unary = this.#unary('Reciprocal');
  /** Sine. */
  sin: Unary = this.#unary('Sin');
  /** Cosine. */
  cos: Unary = this.#unary('Cos');
  /** Hyperbolic tangent. */
  tanh: Unary = this.#unary('Tanh');
  /** `1 / (1 + e^-x)`. */
  sigmoid: Unary = this.#unary('Sigmoid');
  /** Gauss's error function. */
  erf: Unary = this.#unary('Erf');
  /** `max(x, 0)`. */
  relu: Unary = this.#unary('Relu');
  /** `log(1 + e^x)`. */
  softplus: Unary = this.#unary('Softplus');
  /** Logical not. */
  not: Unary = this.#unary('Not');
  /** Logical and. */
  and = (a: Value, b: Value): Value => this.op('And', [a, b]);
  /** `x` where the condition holds, else `y`. */
  where = (condition: Value, x: Operand, y: Operand): Value =>
    this.op('Where', [condition, ...this.#pair(x, y)]);
  /** Converts the element type. */
  cast = (x: Value, to: DataType): Value => this.op('Cast', [x], { to });
  /** A boolean as 0 and 1 of the type of `like`. */
  mask = (condition: Value, like: Value): Value => this.cast(condition, like.dtype ?? 'float32');

  /** Product of matrices, batched and broadcast over the axes before the last two. */
  matMul = (a: Value, b: Value): Value => this.op('MatMul', [a, b]);
  /** `alpha A' B' + beta C`, primes being transposes if asked for. */
  gemm = (
    a: Value,
    b: Value,
    c?: Value,
    attributes: { alpha?: number; beta?: number; transA?: number; transB?: number } = {},
  ): Value => this.op('Gemm', c ? [a, b, c] : [a, b], attributes);
  /** Permutes axes; by default reverses them. */
  transpose = (x: Value, perm?: readonly number[]): Value =>
    this.op('Transpose', [x], { perm: perm ?? x.shape?.map((_, i, { length }) => length - 1 - i) });
  /** Transposes the last two axes. */
  swapLast = (x: Value): Value => {
    const rank = this.rank(x);
    const axes = Array.from({ length: rank }, (_, i) => i);
    return this.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
  };
  /** Gives another shape to the same elements; -1 is whatever remains, 0 the size that was. */
  reshape = (x: Value, shape: readonly number[] | Value): Value =>
    this.op('Reshape', [x, Array.isArray(shape) ? this.ints(shape) : (shape as Value)]);
  /** Puts in axes of size 1. */
  unsqueeze = (x: Value, axes: readonly number[]): Value =>
    axes.length === 0 ? x : this.op('Unsqueeze', [x, this.ints(axes)]);
  /** Takes out axes of size 1. */
  squeeze = (x: Value, axes: readonly number[]): Value =>
    axes.length === 0 ? x : this.op('Squeeze', [x, this.ints(axes)]);
  /** Broadcasts to a shape. */
  expand = (x: Value, shape: Value | readonly number[]): Value =>
    this.op('Expand', [x, Array.isArray(shape) ? this.ints(shape) : (shape as Value)]);
  /** Joins along an axis. */
  concat = (parts: readonly Value[], axis: number): Value => this.op('Concat', parts, { axis });
  /** Cuts along an axis into parts of given sizes. */
  split = (x: Value, sizes: readonly number[], axis: number): readonly Value[] =>
    sizes.length === 1 ? [x] : this.ops('Split', [x, this.ints(sizes)], { axis }, sizes.length);
  /** Elements from `starts` to `ends` (left out) along axes, in steps. */
  slice = (
    x: Value,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps?: readonly number[],
  ): Value =>
    this.op('Slice', [x, ...[starts, ends, axes, ...(steps ? [steps] : [])].map((list) => this.ints(list))]);
  /** Puts elements around: before each axis, then after each. */
  pad = (x: Value, pads: readonly number[] | Value, mode = 'constant'): Value => {
    const amounts = Array.isArray(pads) ? this.ints(pads) : (pads as Value);
    return this.op('Pad', [x, amounts], mode === 'constant' ? {} : { mode });
  };
  /** Entries of `x` along an axis. */
  gather = (x: Value, indices: Value, axis = 0): Value => this.op('Gather', [x, indices], { axis });
  /** Elements of `x` along an axis, one for each index. */
  gatherElements = (x: Value, indices: Value, axis: number): Value =>
    this.op('GatherElements', [x, indices], { axis });

  #reduce(type: string, x: Value, axes: readonly number[] | undefined, keep: boolean): Value {
    const inputs = axes ? [x, this.ints(axes)] : [x];
    const empty = axes?.length === 0 ? { noop_with_empty_axes: 1 } : {};
    return this.op(type, inputs, { keepdims: Number(keep), ...empty });
  }
  /** Sum over axes; over all of them by default. */
  reduceSum = (x: Value, axes?: readonly number[], keep = false): Value =>
    this.#reduce('ReduceSum', x, axes, keep);
  /** Mean over axes; over all of them by default. */
  reduceMean = (x: Value, axes?: readonly number[], keep = false): Value =>
    this.#reduce('ReduceMean', x, axes, keep);
  /** Maximum over axes; over all of them by default. */
  reduceMax = (x: Value, axes?: readonly number[], keep = false): Value =>
    this.#reduce('ReduceMax', x, axes, keep);

  /** Cross-correlation of x [N, C, ...] with a weight [O, C / group, ...]. */
  conv = (x: Value, weight: Value, bias?: Value, attributes: ConvAttributes = {}): Value =>
    this.op('Conv', bias ? [x, weight, bias] : [x, weight], { ...attributes });
  /** Adjoint of {@link GraphBuilder.conv} in its first argument: x [N, C, ...], weight [C, O / group, ...]. */
  convTranspose = (x: Value, weight: Value, bias?: Value, attributes: ConvTransposeAttributes = {}): Value =>
    this.op('ConvTranspose', bias ? [x, weight, bias] : [x, weight], { ...attributes });
  /** Largest value of each window. */
  maxPool = (x: Value, attributes: PoolAttributes): Value => this.op('MaxPool', [x], { ...attributes });
  /** Mean of each window. */
  averagePool = (x: Value, attributes: PoolAttributes & { count_include_pad?: number }): Value =>
    this.op('AveragePool', [x], { ...attributes });
  /** `e^x` divided by its sum along an axis. */
  softmax = (x: Value, axis = -1): Value => this.op('Softmax', [x], { axis });
  /** Logarithm of the softmax along an axis. */
  logSoftmax = (x: Value, axis = -1): Value => this.op('LogSoftmax', [x], { axis });

  /** Number of axes. Throws `ERR_SHAPE_MISMATCH` where it is not known. */
  rank(x: Value): number {
    return this.knownShape(x).length;
  }

  /** Shape, of which at least the number of axes is known. Throws `ERR_SHAPE_MISMATCH` otherwise. */
  knownShape(x: Value): Shape {
    return (
      x.shape ??
      fail(
        'ERR_SHAPE_MISMATCH',
        `the number of axes of ${JSON.stringify(x.name)} must be known to differentiate here. Received: no shape. ` +
          'Run shape inference when exporting, or export with fixed shapes.',
      )
    );
  }

  /** Axis counted from the front. */
  axis(x: Value, axis: number): number {
    return axis < 0 ? axis + this.rank(x) : axis;
  }

  /** Shape of `x` as an int64 vector: a constant if it is known, else read when the graph runs. */
  shapeOf(x: Value): Value {
    return isStatic(x.shape) ? this.ints(x.shape) : this.op('Shape', [x]);
  }

  /** Number of elements of `x` along some axes (all by default), as a scalar of its own type. */
  count(x: Value, axes?: readonly number[]): Value {
    const dims = axes?.map((axis) => this.knownShape(x)[this.axis(x, axis)] ?? 1) ?? x.shape;
    const dtype = x.dtype ?? 'float32';
    if (isStatic(dims))
      return this.scalar(
        dims.reduce((a, b) => a * b, 1),
        dtype,
      );
    if (!axes) return this.cast(this.op('Size', [x]), dtype);
    const sizes = this.gather(this.shapeOf(x), this.ints(axes.map((axis) => this.axis(x, axis))));
    return this.cast(this.op('ReduceProd', [sizes], { keepdims: 0 }), dtype);
  }

  /** `x` in the shape of `like`, which has as many elements. */
  reshapeLike(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x;
    const dims = like.shape;
    const open = dims?.filter((dim) => typeof dim === 'string').length;
    if (dims && open === 1 && !dims.includes(0)) {
      return this.reshape(
        x,
        dims.map((dim) => (typeof dim === 'string' ? -1 : dim)),
      );
    }
    return this.reshape(x, this.shapeOf(like));
  }

  /** `x` broadcast to the shape of `like`. */
  expandLike(x: Value, like: Value): Value {
    return sameShape(x.shape, like.shape) ? x : this.expand(x, this.shapeOf(like));
  }

  /** The adjoint of broadcasting `like` to the shape of `x`: sums over the axes along which it was repeated. */
  sumTo(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x;
    const [wide, narrow] = [x.shape, like.shape];
    const missing = (wide?.length ?? 0) - (narrow?.length ?? 0);
    const known = narrow?.every((dim, i) => dim === 1 || dim === wide?.[i + missing]);
    if (!wide || !narrow || !known) return this.#sumToDynamic(x, like);
    const axes = wide.flatMap((dim, i) =>
      i < missing || (narrow[i - missing] === 1 && dim !== 1) ? [i] : [],
    );
    // axes that only x has go at once
    const keep = axes.some((axis) => axis >= missing);
    return this.reshapeLike(this.reduceSum(x, axes, keep), like);
  }

  /** {@link GraphBuilder.sumTo} where only the running graph knows along which axes. */
  #sumToDynamic(x: Value, like: Value): Value {
    const wide = this.shapeOf(x);
    const ones = this.expand(
      this.scalar(1, 'int64'),
      this.op('Sub', [this.op('Shape', [wide]), this.op('Shape', [this.shapeOf(like)])]),
    );
    const narrow = this.concat([ones, this.shapeOf(like)], 0);
    const axes = this.reshape(this.op('NonZero', [this.not(this.equal(narrow, wide))]), [-1]);
    const summed = this.op('ReduceSum', [x, axes], { keepdims: 1, noop_with_empty_axes: 1 });
    return this.reshape(summed, this.shapeOf(like));
  }

  /** Zeros in the shape and type of `x`. */
  zerosLike(x: Value): Value {
    return this.expandLike(this.scalar(0, x.dtype), x);
  }
}
