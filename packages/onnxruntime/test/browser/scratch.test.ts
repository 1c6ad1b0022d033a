import * as ort from 'onnxruntime-web/webgpu';
import { buildModel, encodeModel, GraphBuilder } from '@vradam/onnx-autodiff';
import { test } from 'vitest';
test('right', { timeout: 500_000 }, async () => {
  const f = (g: any, n: string, s: number[]) => g.input(n, 'float32', s);
  const i64 = (g: any, v: number[], shape = [v.length]) => g.constant(v, shape, 'int64');
  const probes: Record<string, (g: any) => any> = {
    LayerNorm3: (g) => g.ops('LayerNormalization', [f(g,'a',[5,4]), f(g,'b',[4]), f(g,'c',[4])], {}, 3),
    MaxPoolIdx: (g) => g.ops('MaxPool', [f(g,'a',[1,2,8,8])], { kernel_shape: [2,2], strides: [2,2] }, 2),
    BatchNormEval: (g) => g.op('BatchNormalization', [f(g,'a',[2,2,8,8]), f(g,'b',[2]), f(g,'c',[2]), f(g,'d',[2]), g.op('Abs',[f(g,'e',[2])])]),
    BatchNormTrain: (g) => g.ops('BatchNormalization', [f(g,'a',[2,2,8,8]), f(g,'b',[2]), f(g,'c',[2]), f(g,'d',[2]), g.op('Abs',[f(g,'e',[2])])], { training_mode: 1, momentum: 0 }, 3),
    BatchNormTrain2d: (g) => g.ops('BatchNormalization', [f(g,'a',[6,2]), f(g,'b',[2]), f(g,'c',[2]), f(g,'d',[2]), g.op('Abs',[f(g,'e',[2])])], { training_mode: 1, momentum: 0 }, 3),
    ScatterElementsAddDup: (g) => g.op('ScatterElements', [f(g,'a',[5,4]), i64(g,[0,1,2,3,0,1,2,3,1,1,1,1],[3,4]), f(g,'b',[3,4])], { axis: 0, reduction: 'add' }),
    ScatterElements: (g) => g.op('ScatterElements', [f(g,'a',[5,4]), i64(g,[0,1,2,3],[1,4]), f(g,'b',[1,4])], { axis: 0 }),
    ScatterNDAddDup: (g) => g.op('ScatterND', [f(g,'a',[5,4]), i64(g,[1,1,4],[3,1]), f(g,'b',[3,4])], { reduction: 'add' }),
    ReduceL1: (g) => g.op('ReduceL1', [f(g,'a',[5,4]), i64(g,[1])]),
    ReduceSum02: (g) => g.op('ReduceSum', [f(g,'a',[5,4,3]), i64(g,[0,2])]),
    ReduceSumAll: (g) => g.op('ReduceSum', [f(g,'a',[50,40])], { keepdims: 0 }),
    ReduceSumBig: (g) => g.op('ReduceSum', [g.op('Abs', [f(g,'a',[1000,100])])], { keepdims: 0 }),
    ReduceSumSquareBig: (g) => g.op('ReduceSumSquare', [f(g,'a',[1000,100])], { keepdims: 0 }),
    RowsThenSum: (g) => g.op('ReduceSum', [g.op('ReduceSum', [g.op('Reshape', [g.op('Abs', [f(g,'a',[1000,100])]), i64(g,[250,-1])]), i64(g,[1])], { keepdims: 0 })], { keepdims: 0 }),
    ReduceLogSumExp: (g) => g.op('ReduceLogSumExp', [f(g,'a',[5,4]), i64(g,[1])]),
    ReduceMaxMin: (g) => g.op('Add', [g.op('ReduceMax', [f(g,'a',[5,4]), i64(g,[1])]), g.op('ReduceMin', [f(g,'b',[5,4]), i64(g,[1])])]),
    ReduceProd: (g) => g.op('ReduceProd', [f(g,'a',[5,4]), i64(g,[1])]),
    PowNeg: (g) => g.op('Pow', [f(g,'a',[5,4]), g.scalar(3)]), PowFrac: (g) => g.op('Pow', [g.op('Abs',[f(g,'a',[5,4])]), g.scalar(1.5)]), Pow2: (g) => g.op('Pow', [f(g,'a',[5,4]), g.scalar(2)]),
    Conv: (g) => g.op('Conv', [f(g,'a',[2,2,8,8]), f(g,'b',[3,2,3,3]), f(g,'c',[3])], { pads: [1,1,1,1] }),
    ConvStride: (g) => g.op('Conv', [f(g,'a',[2,2,9,8]), f(g,'b',[3,2,3,3])], { pads: [1,0,0,1], strides: [2,2] }),
    ConvDil: (g) => g.op('Conv', [f(g,'a',[2,2,8,8]), f(g,'b',[3,2,3,3])], { dilations: [2,2] }),
    ConvGroup: (g) => g.op('Conv', [f(g,'a',[2,4,8,8]), f(g,'b',[6,2,3,3])], { group: 2 }),
    ConvDepth: (g) => g.op('Conv', [f(g,'a',[2,4,8,8]), f(g,'b',[4,1,3,3])], { group: 4 }),
    Conv1x1: (g) => g.op('Conv', [f(g,'a',[2,4,8,8]), f(g,'b',[6,4,1,1])]),
    Conv1d: (g) => g.op('Conv', [f(g,'a',[2,4,8]), f(g,'b',[6,4,3])]),
    ConvBigKernel: (g) => g.op('Conv', [f(g,'a',[3,2,8,8]), f(g,'b',[4,2,7,7])]),
    ConvTranspose: (g) => g.op('ConvTranspose', [f(g,'a',[2,3,6,6]), f(g,'b',[3,2,3,3])]),
    ConvTransposeStride: (g) => g.op('ConvTranspose', [f(g,'a',[2,3,4,4]), f(g,'b',[3,2,3,3])], { strides: [2,2], output_padding: [1,1], pads: [1,1,1,1] }),
    ConvTransposeGroup: (g) => g.op('ConvTranspose', [f(g,'a',[2,4,6,6]), f(g,'b',[4,2,3,3])], { group: 2 }),
    ConvTransposeDepth: (g) => g.op('ConvTranspose', [f(g,'a',[2,4,6,6]), f(g,'b',[4,1,3,3])], { group: 4, strides: [2,2] }),
    ConvTransposeDil: (g) => g.op('ConvTranspose', [f(g,'a',[2,3,6,6]), f(g,'b',[3,2,3,3])], { dilations: [2,2] }),
    ConvTranspose1d: (g) => g.op('ConvTranspose', [f(g,'a',[2,3,6]), f(g,'b',[3,2,3])], { strides: [2] }),
    AveragePoolPad: (g) => g.op('AveragePool', [f(g,'a',[1,2,8,8])], { kernel_shape: [3,3], strides: [2,2], pads: [1,1,1,1] }),
    AveragePoolInc: (g) => g.op('AveragePool', [f(g,'a',[1,2,8,8])], { kernel_shape: [3,3], strides: [2,2], pads: [1,1,1,1], count_include_pad: 1 }),
    MaxPoolPad: (g) => g.op('MaxPool', [f(g,'a',[1,2,8,8])], { kernel_shape: [3,3], strides: [2,2], pads: [1,1,1,1] }),
    InstanceNorm: (g) => g.op('InstanceNormalization', [f(g,'a',[2,2,8,8]), f(g,'b',[2]), f(g,'c',[2])]),
    CumSumRev: (g) => g.op('CumSum', [f(g,'a',[5,4]), g.constant([1],[],'int64')], { reverse: 1, exclusive: 1 }),
    Tile: (g) => g.op('Tile', [f(g,'a',[2,4]), i64(g,[2,3])]), Pad: (g) => g.op('Pad', [f(g,'a',[2,4]), i64(g,[1,0,0,2])]), PadNeg: (g) => g.op('Pad', [f(g,'a',[4,4]), i64(g,[-1,0,0,2])]),
    SliceNeg: (g) => g.op('Slice', [f(g,'a',[4,5]), i64(g,[-1,0]), i64(g,[-100,4]), i64(g,[0,1]), i64(g,[-1,2])]),
    Concat: (g) => g.op('Concat', [f(g,'a',[2,4]), f(g,'b',[2,3])], { axis: 1 }), Split: (g) => g.ops('Split', [f(g,'a',[5,4]), i64(g,[2,3])], { axis: 0 }, 2),
    Trilu: (g) => g.op('Trilu', [f(g,'a',[4,4])], { upper: 0 }),
    ResizeNearest: (g) => g.op('Resize', [f(g,'a',[1,2,4,4]), undefined, g.constant([1,1,2,2],[4])], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }),
    Einsum: (g) => g.op('Einsum', [f(g,'a',[3,4]), f(g,'b',[3,5])], { equation: 'ni,nj->ij' }), EinsumB: (g) => g.op('Einsum', [f(g,'a',[2,3,4]), f(g,'b',[2,5,4])], { equation: 'bij,bkj->bik' }),
    Gemm: (g) => g.op('Gemm', [f(g,'a',[4,5]), f(g,'b',[3,4]), f(g,'c',[3])], { transA: 1, transB: 1, alpha: 0.5, beta: 2 }),
    MatMulB: (g) => g.op('MatMul', [f(g,'a',[2,3,4]), f(g,'b',[4,5])]), MatMulBB: (g) => g.op('MatMul', [f(g,'a',[2,1,3,4]), f(g,'b',[3,4,5])]), MatVec: (g) => g.op('MatMul', [f(g,'a',[3,4]), f(g,'b',[4])]),
    Where: (g) => g.op('Where', [g.op('Greater',[f(g,'a',[5,4]), g.scalar(0)]), f(g,'b',[4]), g.scalar(0)]),
    Softmax: (g) => g.op('Softmax', [f(g,'a',[5,4])], { axis: 0 }), GatherNeg: (g) => g.op('Gather', [f(g,'a',[5,4]), i64(g,[-1,0,2])], { axis: 0 }),
    GatherElements: (g) => g.op('GatherElements', [f(g,'a',[5,4]), i64(g,[1,0,3,2],[1,4])], { axis: 0 }), GatherND: (g) => g.op('GatherND', [f(g,'a',[5,4]), i64(g,[1,4],[2,1])]),
    Erf: (g) => g.op('Erf', [f(g,'a',[5,4])]), Tanh: (g) => g.op('Tanh', [f(g,'a',[5,4])]), TanhBig: (g) => g.op('Tanh', [g.op('Mul', [f(g,'a',[5,4]), g.scalar(200)])]), SigmoidBig: (g) => g.op('Sigmoid', [g.op('Mul', [f(g,'a',[5,4]), g.scalar(200)])]), SoftplusBig: (g) => g.op('Softplus', [g.op('Mul', [f(g,'a',[5,4]), g.scalar(200)])]),
    Clip: (g) => g.op('Clip', [f(g,'a',[5,4]), g.scalar(-0.3), g.scalar(0.3)]), TopK: (g) => g.ops('TopK', [f(g,'a',[5,4]), i64(g,[2])], { axis: 1 }, 2), ArgMax: (g) => g.op('ArgMax', [f(g,'a',[5,4])], { axis: 1 }),
    ExpandDyn: (g) => g.op('Expand', [f(g,'a',[1,4]), i64(g,[3,4])]), Transpose: (g) => g.op('Transpose', [f(g,'a',[2,3,4])], { perm: [2,0,1] }), DepthToSpace: (g) => g.op('DepthToSpace', [f(g,'a',[1,4,2,2])], { blocksize: 2 }),
    LSTM: (g) => g.op('LSTM', [f(g,'a',[3,1,2]), f(g,'b',[1,8,2]), f(g,'c',[1,8,2])], { hidden_size: 2 }),
    Min0: (g) => g.op('Min', [f(g,'a',[]), g.scalar(0.1)]), IdentityScalar: (g) => g.op('Identity', [f(g,'a',[])]), Empty: (g) => g.op('ReduceSum', [f(g,'a',[0,4]), i64(g,[0])]),
  };
  const out: string[] = []; const fine: string[] = [];
  const keeper = await ort.InferenceSession.create(encodeModel(buildModel((() => { const g: any = new GraphBuilder(); return g; })(), { outputs: new Map([['y', ((g: any) => 0)(0)]]) } as never)), { executionProviders: ['webgpu'] }).catch(() => undefined);
  for (const [name, make] of Object.entries(probes)) {
    try {
      const g: any = new GraphBuilder({ opset: 18 } as never);
      const y = make(g); const ys = Array.isArray(y) ? y : [y];
      const bytes = encodeModel(buildModel(g, { outputs: new Map(ys.map((v: any, i: number) => [`y${i}`, v])) }));
      const feeds = () => Object.fromEntries(g.inputs.map((v: any, k: number) => { const size = v.shape.reduce((a: number, b: number) => a * b, 1); return [v.name, new ort.Tensor('float32', Float32Array.from({ length: size }, (_, i) => Math.sin(1.3 * i * (1 + i * 0.01) + k * 2 + 0.5)), v.shape)]; }));
      const rs: any[] = [];
      for (const ep of ['wasm', 'webgpu']) { const s = await ort.InferenceSession.create(bytes, { executionProviders: [ep], logSeverityLevel: 3 }); rs.push(await s.run(feeds())); await s.release(); }
      let worst = 0; let dims = '';
      ys.forEach((_: any, i: number) => { const [p, q] = rs.map((r) => r[`y${i}`]); if (String(p.dims) !== String(q.dims)) dims += ` dims ${p.dims} / ${q.dims}`; const scale = Math.max(...Array.from(p.data as number[], (x) => Math.abs(Number(x))), 1e-30); Array.from(p.data as number[]).forEach((x, j) => { const d = Math.abs(Number(x) - Number(q.data[j])) / scale; worst = Math.max(worst, Number.isNaN(d) ? Infinity : d); }); });
      if (worst > 1e-5 || dims) out.push(`${name}: off by ${worst.toExponential(1)}${dims} | ${Array.from(rs[0].y0.data).slice(0, 5)} | ${Array.from(rs[1].y0.data).slice(0, 5)}`); else fine.push(`${name} ${worst.toExponential(0)}`);
    } catch (e) { out.push(`${name}: ERROR ${(e as Error).message.slice(0, 250)}`); }
  }
  console.log(`${out.join('\n')}\nFINE ${fine.join(', ')}`);
});
