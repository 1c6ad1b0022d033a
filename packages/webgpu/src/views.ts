/** Views: where in a buffer each tensor is. */

import type { Segment } from './arena.ts';

/** Parts of buffers by parameter name, in bytes; each can be bound in a shader. */
export type Views = Readonly<Record<string, Required<GPUBufferBinding>>>;

/** Views of the tensors of one role; a parameter in a buffer of the caller's is seen there. */
export function viewsOf(segments: readonly Segment[], role: 'parameter' | 'gradient' | 'average'): Views {
  const views = segments.flatMap(({ tensors, offsets, buffers }) =>
    tensors.map(({ name, elements, own }, i): [string, Required<GPUBufferBinding>] => {
      const arena = { buffer: buffers[role] as GPUBuffer, offset: offsets[i] as number };
      return [name, { ...(role === 'parameter' ? (own ?? arena) : arena), size: 4 * elements }];
    }),
  );
  return Object.fromEntries(views);
}
