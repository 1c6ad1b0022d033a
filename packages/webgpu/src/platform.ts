/** Flags of WebGPU by their numbers: in Node they are no globals. */

/** `GPUBufferUsage.MAP_READ`. */
export const mapRead = 0x0001;
/** `GPUBufferUsage.COPY_SRC`. */
export const copySource = 0x0004;
/** `GPUBufferUsage.COPY_DST`. */
export const copyTarget = 0x0008;
/** `GPUBufferUsage.UNIFORM`. */
export const uniform = 0x0040;
/** `GPUBufferUsage.STORAGE`. */
export const storage = 0x0080;
/** `GPUMapMode.READ`. */
export const modeRead = 0x0001;
