import * as ort from 'onnxruntime-web/webgpu';
import { expect, inject, test } from 'vitest';
import { createTrainingSession } from '../../src/index.ts';
import { batch } from '../models.ts';
import { farthest, limit, train, training } from '../training.ts';

test('trains as onnxruntime-node does', { timeout: 120_000 }, async () => {
    const t0 = performance.now();
    ort.env.logLevel = 'verbose';
    const lap = (what: string) => console.log(what, Math.round(performance.now() - t0));
    const session = await createTrainingSession(ort, training({ update: 'graph', executionProviders: ['webgpu'], sessionOptions: {logSeverityLevel: 0, logVerbosityLevel: 0} }));
    lap('create');
    await session.dispose();
    lap('disposed');
});
