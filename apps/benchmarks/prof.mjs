import * as ort from 'onnxruntime-node';
import { trainingCases } from './dist/onnxruntime/cases.js';
import { createTrainingSession, vradam } from '@vradam/onnxruntime';
import fs from 'node:fs';
const name=process.argv[2], update=process.argv[3]??'graph', steps=Number(process.argv[4]??50);
const at=trainingCases[name];
const s=await createTrainingSession(ort,{model:at.graph(),loss:at.loss,optimizer:vradam({learningRate:1e-3}),update,sessionOptions:{intraOpNumThreads:1,interOpNumThreads:1,enableProfiling:true,profileFilePrefix:'/tmp/ortprof'}});
const f=at.feeds(); for(let i=0;i<steps;i++) await s.trainStep(f);
await s.dispose();
