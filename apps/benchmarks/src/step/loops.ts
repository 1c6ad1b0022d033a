/** What a step is measured against: VRAdam by hand, two passes over Float32Arrays, as one would write it oneself. */

/** Moments of one parameter. */
export interface HandState {
  readonly velocity: Float32Array;
  readonly secondMoment: Float32Array;
}

const [learningRate, beta1, beta2, beta3, lrCutoff, epsilon, weightDecay] = [
  1e-3, 0.9, 0.999, 1, 19, 1e-8, 1e-5,
];

/** One step over all parameters, in place. */
export function handWrittenStep(
  parameters: readonly Float32Array[],
  gradients: readonly Float32Array[],
  states: readonly HandState[],
  t: number,
): void {
  let norm = 0;
  for (let p = 0; p < parameters.length; p++) {
    const [g, { velocity, secondMoment }] = [gradients[p]!, states[p]!];
    for (let i = 0; i < g.length; i++) {
      const gi = g[i]!;
      const v = beta1 * velocity[i]! + (1 - beta1) * gi;
      velocity[i] = v;
      secondMoment[i] = beta2 * secondMoment[i]! + (1 - beta2) * gi * gi;
      norm += v * v;
    }
  }
  const eta = learningRate / (1 + Math.min(beta3 * norm, lrCutoff));
  const stepSize = eta / (1 - beta1 ** t);
  const correction = 1 / Math.sqrt(1 - beta2 ** t);
  for (let p = 0; p < parameters.length; p++) {
    const [w, { velocity, secondMoment }] = [parameters[p]!, states[p]!];
    for (let i = 0; i < w.length; i++) {
      const root = Math.sqrt(secondMoment[i]!) * correction + epsilon;
      w[i] = w[i]! * (1 - eta * weightDecay) - (stepSize * velocity[i]!) / root;
    }
  }
}
