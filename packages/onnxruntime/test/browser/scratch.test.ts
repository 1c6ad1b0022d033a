import * as ort from 'onnxruntime-web/webgpu';
import * as jsep from 'onnxruntime-web';
import { buildModel, encodeModel, GraphBuilder, tensor } from '@vradam/onnx-autodiff';
import { expect, inject, test } from 'vitest';
import { createTrainingSession } from '../../src/index.ts';
import { farthest, limit, train, training } from '../training.ts';
const { losses: expected } = inject('nodeRun');

test('jsep', { timeout: 200_000 }, async () => {
  try {
    const session = await createTrainingSession(jsep, training({ update: 'graph', executionProviders: ['webgpu'] }));
    const losses = await train(session, 10);
    console.log('JSEP', farthest(losses, expected));
    await session.dispose();
    console.log('JSEP disposed');
  } catch (e) { console.log('JSEP FAILED', String((e as Error).stack)); }
});

test('probe', { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const keep = { log: console.log, error: console.error, warn: console.warn, info: console.info, debug: console.debug };
  for (const k of Object.keys(keep) as (keyof typeof keep)[]) console[k] = (...a: unknown[]) => void lines.push(a.join(' '));
  const f = (g: any, n: string, s: (number|string)[]) => g.input(n, 'float32', s);
  const i64 = (g: any, v: number[], shape = [v.length]) => g.constant(v, shape, 'int64');
  const probes: Record<string, (g: any) => any> = {
    Sum3: (g) => g.op('Sum', [f(g,'a',['n',4]), f(g,'b',['n',4]), f(g,'c',['n',4])]),
    LogSoftmax1: (g) => g.op('LogSoftmax', [f(g,'a',['n',4])], { axis: 1 }),
    LogSoftmaxNCD: (g) => g.op('LogSoftmax', [f(g,'a',['n',4,3])], { axis: 1 }),
    Softmax: (g) => g.op('Softmax', [f(g,'a',['n',4])], { axis: -1 }),
    SoftmaxNCD: (g) => g.op('Softmax', [f(g,'a',['n',4,3])], { axis: 1 }),
    ReduceLogSumExp: (g) => g.op('ReduceLogSumExp', [f(g,'a',['n',4]), i64(g,[1])]),
    ReduceMax: (g) => g.op('ReduceMax', [f(g,'a',['n',4]), i64(g,[1])]),
    ReduceMean: (g) => g.op('ReduceMean', [f(g,'a',['n',4]), i64(g,[1])]),
    ReduceL1: (g) => g.op('ReduceL1', [f(g,'a',['n',4]), i64(g,[1])]),
    ReduceProd: (g) => g.op('ReduceProd', [f(g,'a',['n',4]), i64(g,[1])]),
    Log: (g) => g.op('Log', [f(g,'a',['n',4])]),
    Where: (g) => g.op('Where', [g.op('Greater',[f(g,'a',['n',4]), g.scalar(0)]), f(g,'b',['n',4]), f(g,'c',['n',4])]),
    Equal: (g) => g.op('Cast', [g.op('Equal',[f(g,'a',['n',4]), f(g,'b',['n',4])])], { to: 1 }),
    Not: (g) => g.op('Cast', [g.op('Not',[g.op('Greater',[f(g,'a',['n',4]), g.scalar(0)])])], { to: 1 }),
    Sign: (g) => g.op('Sign', [f(g,'a',['n',4])]),
    Erf: (g) => g.op('Erf', [f(g,'a',['n',4])]),
    Reciprocal: (g) => g.op('Reciprocal', [f(g,'a',['n',4])]),
    Max: (g) => g.op('Max', [f(g,'a',['n',4]), f(g,'b',['n',4])]),
    Max3: (g) => g.op('Max', [f(g,'a',['n',4]), f(g,'b',['n',4]), f(g,'c',['n',4])]),
    Clip: (g) => g.op('Clip', [f(g,'a',['n',4]), g.scalar(0), g.scalar(1)]),
    LayerNorm: (g) => g.op('LayerNormalization', [f(g,'a',['n',4]), f(g,'b',[4]), f(g,'c',[4])]),
    LayerNorm3: (g) => g.ops('LayerNormalization', [f(g,'a',['n',4]), f(g,'b',[4]), f(g,'c',[4])], {}, 3),
    Einsum: (g) => g.op('Einsum', [f(g,'a',['n',4]), f(g,'b',['n',5])], { equation: 'ni,nj->ij' }),
    ScatterElementsAdd: (g) => g.op('ScatterElements', [f(g,'a',[5,4]), i64(g,[0,1,2,3],[1,4]), f(g,'b',[1,4])], { axis: 0, reduction: 'add' }),
    ScatterNDAdd: (g) => g.op('ScatterND', [f(g,'a',[5,4]), g.input('i','int64',['n',1]), f(g,'b',['n',4])], { reduction: 'add' }),
    Gather: (g) => g.op('Gather', [f(g,'a',[5,4]), g.input('i','int64',['n'])]),
    GatherElements: (g) => g.op('GatherElements', [f(g,'a',[5,4]), g.input('i','int64',[1,4])]),
    GatherND: (g) => g.op('GatherND', [f(g,'a',[5,4]), g.input('i','int64',['n',1])]),
    OneHot: (g) => g.op('OneHot', [g.input('i','int64',['n']), g.constant([5],[],'int64'), g.constant([0,1],[2])]),
    Conv: (g) => g.op('Conv', [f(g,'a',[1,2,8,8]), f(g,'b',[3,2,3,3])]),
    ConvTranspose: (g) => g.op('ConvTranspose', [f(g,'a',[1,3,6,6]), f(g,'b',[3,2,3,3])]),
    ConvGroup: (g) => g.op('Conv', [f(g,'a',[1,4,8,8]), f(g,'b',[4,1,3,3])], { group: 4 }),
    ConvDil: (g) => g.op('Conv', [f(g,'a',[1,2,8,8]), f(g,'b',[3,2,3,3])], { dilations: [2,2] }),
    MaxPool: (g) => g.op('MaxPool', [f(g,'a',[1,2,8,8])], { kernel_shape: [2,2], strides: [2,2] }),
    MaxPoolIdx: (g) => g.ops('MaxPool', [f(g,'a',[1,2,8,8])], { kernel_shape: [2,2], strides: [2,2] }, 2),
    AveragePool: (g) => g.op('AveragePool', [f(g,'a',[1,2,8,8])], { kernel_shape: [2,2], strides: [2,2] }),
    GlobalAveragePool: (g) => g.op('GlobalAveragePool', [f(g,'a',[1,2,8,8])]),
    BatchNormEval: (g) => g.op('BatchNormalization', [f(g,'a',[1,2,8,8]), f(g,'b',[2]), f(g,'c',[2]), f(g,'d',[2]), f(g,'e',[2])]),
    InstanceNorm: (g) => g.op('InstanceNormalization', [f(g,'a',[1,2,8,8]), f(g,'b',[2]), f(g,'c',[2])]),
    CumSum: (g) => g.op('CumSum', [f(g,'a',['n',4]), g.constant([1],[],'int64')]),
    Tile: (g) => g.op('Tile', [f(g,'a',[2,4]), i64(g,[2,1])]),
    Pad: (g) => g.op('Pad', [f(g,'a',[2,4]), i64(g,[1,0,0,2])]),
    Slice: (g) => g.op('Slice', [f(g,'a',[2,4]), i64(g,[0]), i64(g,[1]), i64(g,[0])]),
    Concat: (g) => g.op('Concat', [f(g,'a',[2,4]), f(g,'b',[2,4])], { axis: 0 }),
    Split: (g) => g.ops('Split', [f(g,'a',[2,4])], { axis: 0, num_outputs: 2 }, 2),
    Trilu: (g) => g.op('Trilu', [f(g,'a',[4,4])]),
    Resize: (g) => g.op('Resize', [f(g,'a',[1,2,4,4]), undefined, g.constant([1,1,2,2],[4])], { mode: 'nearest' }),
    Transpose: (g) => g.op('Transpose', [f(g,'a',['n',4])], { perm: [1,0] }),
    MatMul: (g) => g.op('MatMul', [f(g,'a',['n',4]), f(g,'b',[4,3])]),
    Gemm: (g) => g.op('Gemm', [f(g,'a',['n',4]), f(g,'b',[4,3])]),
    Softplus: (g) => g.op('Softplus', [f(g,'a',['n',4])]),
    Mod: (g) => g.op('Mod', [f(g,'a',['n',4]), f(g,'b',['n',4])], { fmod: 1 }),
    NonZero: (g) => g.op('NonZero', [f(g,'a',['n',4])]),
    IsNaN: (g) => g.op('Cast', [g.op('IsNaN', [f(g,'a',['n',4])])], { to: 1 }),
    Floor: (g) => g.op('Floor', [f(g,'a',['n',4])]),
    TopK: (g) => g.ops('TopK', [f(g,'a',['n',4]), i64(g,[2])], { axis: 1 }, 2),
    ArgMax: (g) => g.op('ArgMax', [f(g,'a',['n',4])], { axis: 1 }),
    Expand: (g) => g.op('Expand', [f(g,'a',[1,4]), i64(g,[3,4])]),
    GELU: (g) => g.op('Gelu', [f(g,'a',['n',4])]),
    SCE: (g) => g.op('SoftmaxCrossEntropyLoss', [f(g,'a',['n',4]), g.input('l','int64',['n'])], { reduction: 'mean' }),
  };
  const out: string[] = [];
  for (const [name, make] of Object.entries(probes)) {
    lines.length = 0;
    try {
      const g = new GraphBuilder({ opset: name === 'GELU' ? 20 : 18 } as never);
      const y = make(g);
      const ys = Array.isArray(y) ? y : [y];
      const bytes = encodeModel(buildModel(g, { outputs: new Map(ys.map((v: any, i: number) => [`y${i}`, v])) }));
      const s = await ort.InferenceSession.create(bytes, { executionProviders: ['webgpu'], logSeverityLevel: 0, logVerbosityLevel: 0 });
      await s.release();
    } catch (e) { out.push(`${name}: ERROR ${(e as Error).message.slice(0, 150)}`); continue; }
    const text = lines.join('\n');
    const cpu: string[] = []; const gpu: string[] = [];
    let where = cpu; let seen = false;
    for (const l of text.split('\n')) {
      if (l.includes('Node(s) placed on [CPU') || l.includes('All nodes placed on [CPU')) { where = cpu; seen = true; }
      else if (l.includes('placed on [WebGpu')) { where = gpu; seen = true; }
      const m = /VerifyEachNodeIsAssignedToAnEp\]\s{2,}(\w+) \(/.exec(l);
      if (m) where.push(m[1] as string);
    }
    out.push(`${name}: cpu [${cpu}] gpu [${gpu.filter((x) => !x.startsWith('Memcpy'))}] ${seen ? '' : 'NOT SEEN ' + lines.filter((l) => /placed/.test(l)).join('|').slice(0, 200)}`);
  }
  for (const k of Object.keys(keep) as (keyof typeof keep)[]) console[k] = keep[k] as never;
  console.log(out.join('\n'));
});
