/** The page: holds sessions, and answers what it is asked. */

/// <reference lib="dom" />

import { VRAdamError } from '@vradam/core';
import { benchmarkError } from '../../../errors.ts';
import { playTape } from '../../../nn/tape.ts';
import type { Session } from '../../engine.ts';
import { type Answer, pack, type Request, type Started, unpack } from '../messages.ts';
import { RateTable, specOf } from '../spec.ts';
import { type PageEngine, startPageEngine } from './engines.ts';

type Of<Kind extends Request['kind']> = Extract<Request, { readonly kind: Kind }>;

const sessions = new Map<number, { readonly session: Session; readonly rates: RateTable }>();
let running: PageEngine;
/** Rejects when the device can no longer be believed. */
let trouble: Promise<never>;

/** WebGPU does not throw: what is wrong comes as an event, and results are then no results. */
function watch(device: GPUDevice): void {
  trouble = new Promise((_, reject) => {
    const complain = (wrong: string, received: string) =>
      reject(
        benchmarkError('ERR_DEVICE_LOST', {
          wrong,
          received,
          action: 'Go on with --resume, or with another engine.',
        }),
      );
    device.addEventListener('uncapturederror', ({ error }) =>
      complain('WebGPU refused a command', error.message),
    );
    void device.lost.then(({ reason, message }) =>
      complain('the WebGPU device is lost', `${reason} ${message}`),
    );
  });
  // told to whoever asks next
  trouble.catch(() => {});
}

async function start({ engine: name }: Of<'start'>): Promise<Started> {
  running = await startPageEngine(name);
  watch(running.device);
  const { hessianStep, versions } = running.engine;
  return { hessianStep, versions };
}

async function open(request: Of<'open'>): Promise<number> {
  const { network, parameters, buffers, optimizer, seed } = request;
  const rates = new RateTable();
  rates.add(request.rates);
  const session = await running.engine.createSession({
    network: playTape(network),
    parameters: new Map(parameters),
    buffers: new Map(buffers),
    optimizer: specOf(optimizer, rates),
    seed,
  });
  const id = sessions.size;
  sessions.set(id, { session, rates });
  return id;
}

async function call({ session: id, method, given, rates: more }: Of<'call'>): Promise<unknown> {
  const { session, rates } = sessions.get(id) as { session: Session; rates: RateTable };
  rates.add(more);
  return (session[method] as (...args: readonly unknown[]) => unknown)(...given);
}

function handle(request: Request): Promise<unknown> {
  if (request.kind === 'start') return start(request);
  return Promise.race([request.kind === 'open' ? open(request) : call(request), trouble]);
}

async function answerTo(request: Request): Promise<Answer> {
  try {
    return { value: await handle(request) };
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error));
    return { failure: { code: error instanceof VRAdamError ? error.code : null, message } };
  }
}

/** Fetches a request, does what it asks, and sends the answer. */
async function attend(address: string): Promise<void> {
  const request = unpack(new Uint8Array(await (await fetch(address)).arrayBuffer())) as Request;
  await fetch(address, { method: 'POST', body: pack(await answerTo(request)) });
}

Object.assign(globalThis, { attend });
