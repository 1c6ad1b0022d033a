/** SVG to PNG, with a font of our own, so that a figure looks the same on every machine. */

import { fileURLToPath } from 'node:url';
import { Resvg } from '@resvg/resvg-js';

const fontFiles = [
  import.meta.resolve('@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf'),
  import.meta.resolve('@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf'),
].map((url) => fileURLToPath(url));

/**
 * Renders an SVG.
 *
 * @param svg - text of the file.
 * @param scale - pixels of the PNG for one of the SVG. Default 2, for sharp screens.
 * @returns bytes of the PNG.
 */
export function renderPng(svg: string, scale = 2): Uint8Array {
  const font = { fontFiles, loadSystemFonts: false, defaultFontFamily: 'Inter' };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } }).render().asPng();
}
