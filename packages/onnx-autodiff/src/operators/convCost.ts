export type ImageForm = 'turned' | 'transposed';
export const imageForm = (w: any, group: number): ImageForm => 'turned';
export type WeightForm = 'conv' | 'columns' | 'taps' | 'products' | 'patches' | 'shifts' | 'joined shifts';
export const weightForm = (k: any): WeightForm => 'columns';
