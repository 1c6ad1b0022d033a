/** Adding partial sums in one workgroup, by a fixed tree: the same bits in every run. */

/** Invocations of the workgroup. */
export const totalSize: number = 256;

/** `total(lane, start, end)`, for all invocations of a workgroup at once. */
export const total: string = `var<workgroup> lanes: array<f32, ${totalSize}>;
fn total(lane: u32, start: u32, end: u32) -> f32 {
  var sum = 0f;
  for (var i = start + lane; i < end; i += ${totalSize}u) { sum += partials[i]; }
  lanes[lane] = sum;
  workgroupBarrier();
  for (var half = ${totalSize / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
    workgroupBarrier();
  }
  let whole = lanes[0];
  workgroupBarrier();
  return whole;
}`;
