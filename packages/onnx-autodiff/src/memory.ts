/** How much memory a graph needs while it runs. */

import type { GraphBuilder } from './graph/builder.ts';
import { liveNodes } from './graph/load.ts';
import type { Value } from './graph/value.ts';
import { evaluateDim } from './model/dims.ts';
import { bytesPerElement } from './model/tensors.ts';

/** Memory of one run. */
export interface MemoryReport {
  /** Largest sum of bytes of values that are needed at one time, without constants, parameters and inputs. */
  readonly peakBytes: number;
  /** Node at which that is. */
  readonly peakNode: string;
  /** Bytes of constants and parameters. */
  readonly constantBytes: number;
  /** Values whose size does not follow from the given sizes; they count as nothing. */
  readonly unknown: readonly string[];
}

/**
 * Computes the peak of memory if nodes run in the order of the graph, each output has memory of its own, and it is given
 * back after its last use. Runtimes that write over inputs need less, those that run ahead need more.
 *
 * @param outputs - what is asked for; kept to the end. Default: the graph's outputs.
 * @param sizes - sizes of named dimensions.
 */
export function memoryOf(
  g: GraphBuilder,
  sizes: Readonly<Record<string, number>> = {},
  outputs: Iterable<Value> = g.outputs.values(),
): MemoryReport {
  const kept = new Set(outputs);
  const { nodes, values } = liveNodes(g, kept);
  const unknown: string[] = [];
  const bytesOf = ({ name, dtype, shape }: Value): number => {
    const dims = shape?.map((dim) => evaluateDim(dim, sizes));
    if (dtype && dims?.every((dim) => dim !== undefined)) {
      return dims.reduce((size, dim) => size * dim, bytesPerElement(dtype));
    }
    unknown.push(name);
    return 0;
  };
  const lastUse = new Map<Value, number>();
  nodes.forEach(({ inputs }, i) => {
    for (const value of inputs) if (value?.node && !kept.has(value)) lastUse.set(value, i);
  });
  const released = new Map<number, Value[]>();
  for (const [value, i] of lastUse) released.set(i, [...(released.get(i) ?? []), value]);

  const held = new Map<Value, number>();
  let [now, peakBytes, peakNode] = [0, 0, ''];
  const release = (value: Value): void => {
    now -= held.get(value) ?? 0;
    held.delete(value);
  };
  nodes.forEach((node, i) => {
    for (const output of node.outputs.filter((value) => values.has(value))) {
      held.set(output, bytesOf(output));
      now += held.get(output) as number;
    }
    if (now > peakBytes) [peakBytes, peakNode] = [now, node.name];
    for (const value of released.get(i) ?? []) release(value);
  });
  const constants = [...values].filter(({ constant }) => constant);
  const constantBytes = constants.reduce((sum, value) => sum + bytesOf(value), 0);
  return { peakBytes, peakNode, constantBytes, unknown };
}
