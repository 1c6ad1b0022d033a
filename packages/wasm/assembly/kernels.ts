/**
 * The rules of the core's algorithms as loops over four float32 at a time.
 *
 * Over 300 lines: one module of WebAssembly has all rules.
 *
 * AssemblyScript: every array is the address of its first element, `n` is its number of elements. All kernels work in
 * place and allocate nothing. Sums are float64. What is left behind the last whole four goes one by one, through the
 * same arithmetic.
 */

@inline
function square(x: v128): v128 {
  return f64x2.mul(x, x);
}

@inline
function upper(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 0, 1));
}

@inline
function total(sum: v128): f64 {
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** First address behind the last whole four. */
@inline
function wholeEnd(start: usize, n: i32): usize {
  return start + ((<usize>(n & ~3)) << 2);
}

/**
 * `v = b1 v + c1 g`, `m = b2 m + c2 g^2`. Over 40 lines: eight, four and one at a time.
 *
 * @returns sum of v^2.
 */
export function moments(g: usize, v: usize, m: usize, n: i32, b1: f32, c1: f32, b2: f32, c2: f32): f64 {
  const B1 = f32x4.splat(b1);
  const C1 = f32x4.splat(c1);
  const B2 = f32x4.splat(b2);
  const C2 = f32x4.splat(c2);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  // two sums each: one addition would have to wait for the one before
  let low2 = f64x2.splat(0);
  let high2 = f64x2.splat(0);
  const eights = g + ((<usize>(n & ~7)) << 2);
  const whole = wholeEnd(g, n);
  const end = g + ((<usize>n) << 2);
  while (g < eights) {
    const gradient = v128.load(g);
    const velocity = f32x4.add(f32x4.mul(B1, v128.load(v)), f32x4.mul(C1, gradient));
    v128.store(v, velocity);
    v128.store(m, f32x4.add(f32x4.mul(B2, v128.load(m)), f32x4.mul(C2, f32x4.mul(gradient, gradient))));
    low = f64x2.add(low, square(f64x2.promote_low_f32x4(velocity)));
    high = f64x2.add(high, square(upper(velocity)));
    const gradient2 = v128.load(g, 16);
    const velocity2 = f32x4.add(f32x4.mul(B1, v128.load(v, 16)), f32x4.mul(C1, gradient2));
    v128.store(v, velocity2, 16);
    v128.store(m, f32x4.add(f32x4.mul(B2, v128.load(m, 16)), f32x4.mul(C2, f32x4.mul(gradient2, gradient2))), 16);
    low2 = f64x2.add(low2, square(f64x2.promote_low_f32x4(velocity2)));
    high2 = f64x2.add(high2, square(upper(velocity2)));
    g += 32;
    v += 32;
    m += 32;
  }
  low = f64x2.add(low, low2);
  high = f64x2.add(high, high2);
  // rarely taken, but without it V8 makes the loop above a tenth slower
  while (g < whole) {
    const gradient = v128.load(g);
    const velocity = f32x4.add(f32x4.mul(B1, v128.load(v)), f32x4.mul(C1, gradient));
    v128.store(v, velocity);
    v128.store(m, f32x4.add(f32x4.mul(B2, v128.load(m)), f32x4.mul(C2, f32x4.mul(gradient, gradient))));
    low = f64x2.add(low, square(f64x2.promote_low_f32x4(velocity)));
    high = f64x2.add(high, square(upper(velocity)));
    g += 16;
    v += 16;
    m += 16;
  }
  let sum = total(f64x2.add(low, high));
  while (g < end) {
    const gradient = load<f32>(g);
    const velocity = b1 * load<f32>(v) + c1 * gradient;
    store<f32>(v, velocity);
    store<f32>(m, b2 * load<f32>(m) + c2 * (gradient * gradient));
    sum += <f64>velocity * <f64>velocity;
    g += 4;
    v += 4;
    m += 4;
  }
  return sum;
}

/**
 * `v = b v + c g`.
 *
 * @returns sum of v^2.
 */
export function velocity(g: usize, v: usize, n: i32, b: f32, c: f32): f64 {
  const B = f32x4.splat(b);
  const C = f32x4.splat(c);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const whole = wholeEnd(g, n);
  const end = g + ((<usize>n) << 2);
  while (g < whole) {
    const next = f32x4.add(f32x4.mul(B, v128.load(v)), f32x4.mul(C, v128.load(g)));
    v128.store(v, next);
    low = f64x2.add(low, square(f64x2.promote_low_f32x4(next)));
    high = f64x2.add(high, square(upper(next)));
    g += 16;
    v += 16;
  }
  let sum = total(f64x2.add(low, high));
  while (g < end) {
    const next = b * load<f32>(v) + c * load<f32>(g);
    store<f32>(v, next);
    sum += <f64>next * <f64>next;
    g += 4;
    v += 4;
  }
  return sum;
}

/** Bytes that `n` elements of a row take: arrays begin on a cache line. */
@inline
function rowBytes(n: i32): usize {
  return (<usize>((n + 15) & ~15)) << 2;
}

/**
 * `moments` of `count` tensors whose arrays lie in three rows, one behind the other.
 *
 * @param table - where a sum of v^2 (f64) is that each tensor's is added to, in this order; their lengths (i32) follow.
 */
export function momentsOfRow(
  table: usize,
  g: usize,
  v: usize,
  m: usize,
  count: i32,
  b1: f32,
  c1: f32,
  b2: f32,
  c2: f32,
): void {
  let sum = load<f64>(table);
  for (let i = 0; i < count; i++) {
    const n = load<i32>(table + ((<usize>i) << 2), 8);
    sum += moments(g, v, m, n, b1, c1, b2, c2);
    g += rowBytes(n);
    v += rowBytes(n);
    m += rowBytes(n);
  }
  store<f64>(table, sum);
}

/** `velocity` of `count` tensors whose arrays lie in two rows; `table` as in `momentsOfRow`. */
export function velocityOfRow(table: usize, g: usize, v: usize, count: i32, b: f32, c: f32): void {
  let sum = load<f64>(table);
  for (let i = 0; i < count; i++) {
    const n = load<i32>(table + ((<usize>i) << 2), 8);
    sum += velocity(g, v, n, b, c);
    g += rowBytes(n);
    v += rowBytes(n);
  }
  store<f64>(table, sum);
}

/** Sum of x^2. */
export function sumSquares(x: usize, n: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const whole = wholeEnd(x, n);
  const end = x + ((<usize>n) << 2);
  while (x < whole) {
    const values = v128.load(x);
    low = f64x2.add(low, square(f64x2.promote_low_f32x4(values)));
    high = f64x2.add(high, square(upper(values)));
    x += 16;
  }
  let sum = total(f64x2.add(low, high));
  while (x < end) {
    const value = <f64>load<f32>(x);
    sum += value * value;
    x += 4;
  }
  return sum;
}

/** 0 if all elements are finite, else NaN: `0 x` is NaN just for those that are not. */
export function nonFinite(x: usize, n: i32): f32 {
  const zero = f32x4.splat(0);
  let a = zero;
  let b = zero;
  const end = x + ((<usize>n) << 2);
  const pairs = x + ((<usize>(n & ~7)) << 2);
  while (x < pairs) {
    a = f32x4.add(a, f32x4.mul(zero, v128.load(x)));
    b = f32x4.add(b, f32x4.mul(zero, v128.load(x, 16)));
    x += 32;
  }
  const sums = f32x4.add(a, b);
  let sum =
    f32x4.extract_lane(sums, 0) +
    f32x4.extract_lane(sums, 1) +
    f32x4.extract_lane(sums, 2) +
    f32x4.extract_lane(sums, 3);
  while (x < end) {
    sum += 0 * load<f32>(x);
    x += 4;
  }
  return sum;
}

/** `o = p - (size v / (correction sqrt(m) + epsilon) + decay p)`; `o` may be `p`. */
export function descendTo(
  p: usize,
  o: usize,
  v: usize,
  m: usize,
  n: i32,
  size: f32,
  correction: f32,
  epsilon: f32,
  decay: f32,
): void {
  const SIZE = f32x4.splat(size);
  const CORRECTION = f32x4.splat(correction);
  const EPSILON = f32x4.splat(epsilon);
  const DECAY = f32x4.splat(decay);
  const whole = wholeEnd(p, n);
  const end = p + ((<usize>n) << 2);
  while (p < whole) {
    const root = f32x4.add(f32x4.mul(CORRECTION, f32x4.sqrt(v128.load(m))), EPSILON);
    const parameter = v128.load(p);
    const quotient = f32x4.div(f32x4.mul(SIZE, v128.load(v)), root);
    v128.store(o, f32x4.sub(parameter, f32x4.add(quotient, f32x4.mul(DECAY, parameter))));
    p += 16;
    o += 16;
    v += 16;
    m += 16;
  }
  while (p < end) {
    const root = correction * sqrt<f32>(load<f32>(m)) + epsilon;
    const parameter = load<f32>(p);
    store<f32>(o, parameter - ((size * load<f32>(v)) / root + decay * parameter));
    p += 4;
    o += 4;
    v += 4;
    m += 4;
  }
}

/** `p = p - (rate d + decay p)`. */
export function glide(p: usize, d: usize, n: i32, rate: f32, decay: f32): void {
  const RATE = f32x4.splat(rate);
  const DECAY = f32x4.splat(decay);
  const whole = wholeEnd(p, n);
  const end = p + ((<usize>n) << 2);
  while (p < whole) {
    const parameter = v128.load(p);
    const step = f32x4.add(f32x4.mul(RATE, v128.load(d)), f32x4.mul(DECAY, parameter));
    v128.store(p, f32x4.sub(parameter, step));
    p += 16;
    d += 16;
  }
  while (p < end) {
    const parameter = load<f32>(p);
    store<f32>(p, parameter - (rate * load<f32>(d) + decay * parameter));
    p += 4;
    d += 4;
  }
}

/** `d = g + decay p`, `b = momentum b + gain d`, `p = p - rate (own d + along b)`. */
export function sgd(
  p: usize,
  g: usize,
  b: usize,
  n: i32,
  rate: f32,
  decay: f32,
  momentum: f32,
  gain: f32,
  own: f32,
  along: f32,
): void {
  const RATE = f32x4.splat(rate);
  const DECAY = f32x4.splat(decay);
  const MOMENTUM = f32x4.splat(momentum);
  const GAIN = f32x4.splat(gain);
  const OWN = f32x4.splat(own);
  const ALONG = f32x4.splat(along);
  const whole = wholeEnd(p, n);
  const end = p + ((<usize>n) << 2);
  while (p < whole) {
    const parameter = v128.load(p);
    const d = f32x4.add(v128.load(g), f32x4.mul(DECAY, parameter));
    const buffer = f32x4.add(f32x4.mul(MOMENTUM, v128.load(b)), f32x4.mul(GAIN, d));
    v128.store(b, buffer);
    const direction = f32x4.add(f32x4.mul(OWN, d), f32x4.mul(ALONG, buffer));
    v128.store(p, f32x4.sub(parameter, f32x4.mul(RATE, direction)));
    p += 16;
    g += 16;
    b += 16;
  }
  while (p < end) {
    const parameter = load<f32>(p);
    const d = load<f32>(g) + decay * parameter;
    const buffer = momentum * load<f32>(b) + gain * d;
    store<f32>(b, buffer);
    store<f32>(p, parameter - rate * (own * d + along * buffer));
    p += 4;
    g += 4;
    b += 4;
  }
}

/**
 * `d = g + decay p`, `s = alpha s + gain d^2`, `p = p - rate d / (sqrt(s) + epsilon)`; with a mean `a` the root is of
 * `s - a^2`, with a buffer `b` the quotient goes into `b = momentum b + quotient` first. Address 0: without.
 * Over 40 lines: four and one at a time.
 */
export function rmsprop(
  p: usize,
  g: usize,
  s: usize,
  a: usize,
  b: usize,
  n: i32,
  rate: f32,
  decay: f32,
  alpha: f32,
  gain: f32,
  epsilon: f32,
  momentum: f32,
): void {
  const RATE = f32x4.splat(rate);
  const DECAY = f32x4.splat(decay);
  const ALPHA = f32x4.splat(alpha);
  const GAIN = f32x4.splat(gain);
  const EPSILON = f32x4.splat(epsilon);
  const MOMENTUM = f32x4.splat(momentum);
  const isCentered = a != 0;
  const hasBuffer = b != 0;
  const whole = <usize>((n & ~3) << 2);
  const end = (<usize>n) << 2;
  let i: usize = 0;
  while (i < whole) {
    const parameter = v128.load(p + i);
    const d = f32x4.add(v128.load(g + i), f32x4.mul(DECAY, parameter));
    let variance = f32x4.add(f32x4.mul(ALPHA, v128.load(s + i)), f32x4.mul(GAIN, f32x4.mul(d, d)));
    v128.store(s + i, variance);
    if (isCentered) {
      const mean = f32x4.add(f32x4.mul(ALPHA, v128.load(a + i)), f32x4.mul(GAIN, d));
      v128.store(a + i, mean);
      variance = f32x4.sub(variance, f32x4.mul(mean, mean));
    }
    let direction = f32x4.div(d, f32x4.add(f32x4.sqrt(variance), EPSILON));
    if (hasBuffer) {
      direction = f32x4.add(f32x4.mul(MOMENTUM, v128.load(b + i)), direction);
      v128.store(b + i, direction);
    }
    v128.store(p + i, f32x4.sub(parameter, f32x4.mul(RATE, direction)));
    i += 16;
  }
  while (i < end) {
    const parameter = load<f32>(p + i);
    const d = load<f32>(g + i) + decay * parameter;
    let variance = alpha * load<f32>(s + i) + gain * (d * d);
    store<f32>(s + i, variance);
    if (isCentered) {
      const mean = alpha * load<f32>(a + i) + gain * d;
      store<f32>(a + i, mean);
      variance -= mean * mean;
    }
    let direction = d / (sqrt<f32>(variance) + epsilon);
    if (hasBuffer) {
      direction = momentum * load<f32>(b + i) + direction;
      store<f32>(b + i, direction);
    }
    store<f32>(p + i, parameter - rate * direction);
    i += 4;
  }
}
