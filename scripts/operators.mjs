// Fills the table of operators in docs/concepts/onnx-autodiff.md from the rules; with --check only says whether it is true.
import { operators } from '../packages/onnx-autodiff/dist/index.js';
import { operatorNotes } from '../packages/onnx-autodiff/dist/operators/notes.js';
import { fill, markdownTable } from './generated.mjs';

const escaped = (text) => text.replaceAll('|', '\\|');

const entries = Object.entries(operators).sort(([a], [b]) => (a < b ? -1 : 1));
const rows = entries.map(([name, { gradient }]) => {
  return [`\`${name}\``, gradient === 'zero' ? '0' : 'a rule', escaped(operatorNotes[name] ?? '')];
});
const zeros = rows.filter(([, gradient]) => gradient === '0').length;
const text = [
  `${rows.length} operators: ${rows.length - zeros} with a rule, ${zeros} that end a gradient.`,
  '',
  markdownTable(['operator', 'gradient', 'note'], rows, 3),
].join('\n');
fill('docs/concepts/onnx-autodiff.md', { operators: text }, 'node scripts/operators.mjs');
console.log(`${rows.length} operators in docs/concepts/onnx-autodiff.md`);
