// Fills the table of operators in docs/concepts/onnx-autodiff.md from the rules; with --check only says whether it is true.
import { readFileSync, writeFileSync } from 'node:fs';
import { operators } from '../packages/onnx-autodiff/dist/index.js';
import { operatorNotes } from '../packages/onnx-autodiff/dist/operators/notes.js';

const line = (row) => `| ${row.join(' | ')} |`.replace(/ +\|$/, ' |');
const escaped = (text) => text.replaceAll('|', '\\|');

const entries = Object.entries(operators).sort(([a], [b]) => (a < b ? -1 : 1));
const rows = entries.map(([name, { gradient }]) => {
  return [`\`${name}\``, gradient === 'zero' ? '0' : 'a rule', escaped(operatorNotes[name] ?? '')];
});
const zeros = rows.filter(([, gradient]) => gradient === '0').length;
const text = [
  `${rows.length} operators: ${rows.length - zeros} with a rule, ${zeros} that end a gradient.`,
  '',
  ...[['operator', 'gradient', 'note'], ['---', '---', '---'], ...rows].map(line),
].join('\n');

const path = new URL('../docs/concepts/onnx-autodiff.md', import.meta.url);
const before = readFileSync(path, 'utf8');
const pattern = /(<!-- generated:operators -->)[\s\S]*?(<!-- \/generated:operators -->)/;
if (!pattern.test(before)) throw new Error('docs/concepts/onnx-autodiff.md has no part generated:operators');
const after = before.replace(pattern, (_, open, close) => `${open}\n\n${text}\n\n${close}`);
if (!process.argv.includes('--check')) writeFileSync(path, after);
else if (after !== before) {
  console.error(
    'docs/concepts/onnx-autodiff.md does not say what the rules say. Build, and run: node scripts/operators.mjs',
  );
  process.exitCode = 1;
}
console.log(`${rows.length} operators in docs/concepts/onnx-autodiff.md`);
