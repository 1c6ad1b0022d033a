/** The classical Runge-Kutta method. */

/** A point of phase space: position and velocity. */
export interface Phase {
  /** Position. */
  readonly x: number;
  /** Velocity dx/dt of a flow; of an optimizer, its velocity with the sign turned, so that both point the same way. */
  readonly v: number;
}

/** Where a point moves: its derivative by time. */
export type Field = (at: Phase) => Phase;

const along = (from: Phase, time: number, slope: Phase): Phase => ({
  x: from.x + time * slope.x,
  v: from.v + time * slope.v,
});

/** One step of the fourth-order Runge-Kutta method; its error falls with the fourth power of `time`. */
function rungeKuttaStep(field: Field, from: Phase, time: number): Phase {
  const a = field(from);
  const b = field(along(from, time / 2, a));
  const c = field(along(from, time / 2, b));
  const d = field(along(from, time, c));
  return {
    x: from.x + (time / 6) * (a.x + 2 * b.x + 2 * c.x + d.x),
    v: from.v + (time / 6) * (a.v + 2 * b.v + 2 * c.v + d.v),
  };
}

/**
 * Follows a field.
 *
 * @param field - where points move.
 * @param from - where to begin; the first point of the result.
 * @param time - of one step.
 * @param steps - how many; the result has one point more.
 */
export function follow(field: Field, from: Phase, time: number, steps: number): Phase[] {
  const path = [from];
  let at = from;
  for (let i = 0; i < steps; i++) {
    at = rungeKuttaStep(field, at, time);
    path.push(at);
  }
  return path;
}
