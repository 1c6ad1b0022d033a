/** Colours of every figure: by Okabe and Ito, told apart by people who see few colours, and in grey. */

/** By what is drawn; an optimizer has one colour in all figures. */
export const palette = {
  vradam: '#0072b2',
  vradamGradientNorm: '#56b4e9',
  adamw: '#d55e00',
  adam: '#cc79a7',
  sgd: '#009e73',
  rmsprop: '#e69f00',
  ink: '#1f2328',
  faint: '#59636e',
  line: '#c7ccd1',
  paper: '#ffffff',
} as const;

/**
 * From a small loss to a large one: the colours of viridis, which people who see few colours can put in order; on a light
 * page the small ones are dark, on a dark page bright.
 */
export const lossColors = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#c5d92e'] as const;

const darkLossColors = ['#fde725', '#a5db36', '#4ac16d', '#1fa187', '#3a6f97', '#574b93'] as const;

/** Colour of a loss. @param share - where it lies on its axis, from 0 to 1. */
export const lossColor = (share: number): string =>
  lossColors[Math.min(lossColors.length - 1, Math.floor(share * lossColors.length))] as string;

/** The same, dark enough to be read as text on white. */
const inks = {
  vradam: '#00639b',
  vradamGradientNorm: '#1c76ac',
  adamw: '#b34f00',
  adam: '#a14d7b',
  sgd: '#007a59',
  rmsprop: '#8f6200',
} as const;

/** The same for a dark page: on it all of them can be read. */
const dark: Readonly<Record<string, string>> = {
  vradam: '#4aa8e8',
  vradamGradientNorm: '#8fd0f5',
  adamw: '#ff8f3f',
  adam: '#e39cc4',
  sgd: '#2fc79a',
  rmsprop: '#f2b731',
  ink: '#e6e9ed',
  faint: '#9aa4af',
  line: '#3a424b',
  paper: '#14181d',
};

/** An optimizer as figures show it. */
export interface OptimizerLook {
  /** As people write it. */
  readonly name: string;
  /** Of lines and dots. */
  readonly color: string;
  /** Of text. */
  readonly ink: string;
}

const look = (name: string, key: keyof typeof inks): OptimizerLook => {
  return { name, color: palette[key], ink: inks[key] };
};

const looks: Readonly<Record<string, OptimizerLook>> = {
  vradam: look('VRAdam', 'vradam'),
  'vradam-gradient-norm': look('VRAdam, grad. norm', 'vradamGradientNorm'),
  adamw: look('AdamW', 'adamw'),
  adam: look('Adam, L2', 'adam'),
  'sgd-nesterov': look('SGD, Nesterov', 'sgd'),
  rmsprop: look('RMSProp', 'rmsprop'),
};

/** How an optimizer looks; one that is not known is grey. */
export const lookOf = (optimizer: string): OptimizerLook =>
  (Object.hasOwn(looks, optimizer) ? looks[optimizer] : undefined) ?? {
    name: optimizer,
    color: palette.faint,
    ink: palette.faint,
  };

const names: readonly (readonly [string, string])[] = [
  ...Object.entries(palette).map(([key, color]) => [color, key] as const),
  ...Object.entries(inks).map(([key, color]) => [color, `${key}-ink`] as const),
  ...lossColors.map((color, i) => [color, `loss-${i}`] as const),
];

const darkOf = (key: string): string =>
  dark[key.replace('-ink', '')] ?? (darkLossColors[Number(key.replace('loss-', ''))] as string);

/** A figure whose colours are custom properties of the page that it stands in, so that a dark page can change them. */
export function themed(svg: string): string {
  return names.reduce((text, [color, key]) => text.replaceAll(color, `var(--${key})`), svg);
}

/** Custom properties for {@link themed}: of a light page, and of a dark one. */
export const themes: Readonly<Record<'light' | 'dark', string>> = {
  light: names.map(([color, key]) => `--${key}: ${color};`).join(' '),
  dark: names.map(([, key]) => `--${key}: ${darkOf(key)};`).join(' '),
};
