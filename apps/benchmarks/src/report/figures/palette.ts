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
