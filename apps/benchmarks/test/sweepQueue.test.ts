/** Sweeps whose trials are run by workers at a queue, with everything going wrong that can. */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { writeAll } from '../src/run/files.ts';
import type { EpochReport, TrialOrder } from '../src/sweep/executor.ts';
import { type Connection, connect, type QueueOptions } from '../src/sweep/queue/connection.ts';
import { packRuns } from '../src/sweep/queue/files.ts';
import { jobId, keys } from '../src/sweep/queue/jobs.ts';
import { QueueExecutor } from '../src/sweep/queue/queueExecutor.ts';
import { Study, type StudyConfig } from '../src/sweep/study.ts';
import { runSweep } from '../src/sweep/sweep.ts';
import { measuredIn, type Started, startWith } from './command.ts';
import { inProcess } from './inProcess.ts';
import { password, type RedisServer, redisProgram, startRedis } from './redis.ts';
import { studyConfig } from './studyConfig.ts';

const temporary = () => mkdtemp(join(tmpdir(), 'vradam-queue-'));
const title = redisProgram
  ? 'a queue'
  : 'a queue (skipped: neither redis-server nor valkey-server is installed)';

const openssl = ['/usr/bin/openssl', '/opt/homebrew/bin/openssl'].find(existsSync);
const withTls = openssl
  ? 'with TLS'
  : 'with TLS (skipped: openssl, which makes a certificate, is not installed)';

interface End {
  readonly optimizer: string;
  readonly trial: number;
  readonly state: string;
  readonly objective: number | null;
}

/** What a study says of its trials, in their order. */
async function endsIn(out: string): Promise<End[]> {
  const text = await readFile(join(out, 'study.jsonl'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.startsWith('{"kind":"end"'));
  const ends = lines.map((line) => JSON.parse(line) as End);
  const place = ({ optimizer, trial }: End) => `${optimizer} ${String(trial).padStart(3, '0')}`;
  return ends
    .map(({ optimizer, trial, state, objective }) => ({ optimizer, trial, state, objective }))
    .sort((a, b) => place(a).localeCompare(place(b)));
}

/** Runs a study in this process, without any queue. */
async function alone(changes: Partial<StudyConfig>): Promise<string> {
  const out = await temporary();
  const study = await Study.open(out, { ...gflownet, ...changes }, false);
  const signal = new AbortController().signal;
  await runSweep(study, { executor: inProcess(out), jobs: 1, signal, journal: undefined, onEnd() {} });
  return out;
}

const gflownet: StudyConfig = { ...studyConfig, task: 'gflownet', schedule: 'constant', sampler: 'sobol' };

/** How long something may take on a machine that has much else to do. */
const patience = { timeout: 300_000, interval: 100 };

/** Waits for words of a process. */
const hear = (process: Started, words: RegExp, times = 1): Promise<void> =>
  vi.waitFor(() => expect(process.said().match(new RegExp(words, 'g')) ?? []).toHaveLength(times), {
    ...patience,
    interval: 50,
  });

/** All that lies in a folder, at any depth. */
async function contentsOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1'));
  return (await Promise.all(texts)).join('\n');
}

describe.skipIf(!redisProgram)(title, { timeout: 900_000 }, () => {
  let server: RedisServer;
  const started: Started[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    for (const { child } of started) child.kill('SIGKILL');
    await server?.kill();
  });

  const launch = (prefix: string, command: string, ...args: string[]): Started => {
    const secret = { VRADAM_QUEUE: server.url.replace('//', `//:${password}@`), VRADAM_QUEUE_PREFIX: prefix };
    const process = startWith(secret, command, ...args);
    started.push(process);
    return process;
  };
  const worker = (prefix: string, out: string, ...more: string[]): Started =>
    launch(prefix, 'worker', '--out', out, ...more);
  const sweep = (prefix: string, out: string, ...more: string[]): Started =>
    launch(prefix, 'sweep', 'gflownet', '--sampler', 'sobol', '--out', out, ...more);
  const end = async (process: Started): Promise<number | null> => {
    process.child.kill('SIGTERM');
    return (await process.finished).code;
  };
  const optionsFor = (prefix: string): QueueOptions => {
    const files = { ca: undefined, cert: undefined, key: undefined };
    return { url: server.url, password, prefix, ...files };
  };

  test('loses no trial and repeats none when a worker is killed, the server is restarted and a worker is doubled', async () => {
    const [out, first, second] = [await temporary(), await temporary(), await temporary()];
    const asked = ['--optimizer', 'vradam,adamw', '--trials', '12', '--epochs', '1'];
    const lock = ['--lock', '8'];
    const [a, b] = [worker('all', first, ...lock), worker('all', second, ...lock)];
    const proposing = sweep('all', out, ...asked, '--jobs', '4');

    await vi.waitFor(() => expect(a.said().match(/begins/g)?.length).toBeGreaterThan(2), patience);
    a.child.kill('SIGKILL');
    await vi.waitFor(async () => expect((await endsIn(out)).length).toBeGreaterThan(7), patience);
    await server.kill();
    await setTimeout(1000);
    await server.start();
    const double = worker('all', second, ...lock);

    const { code, output } = await proposing.finished;
    expect(code, output).toBe(0);
    expect(output).toContain('is there again');
    expect(await Promise.all([b, double].map(end))).toEqual([0, 0]);
    const ends = await endsIn(out);
    expect(ends).toHaveLength(24);
    const plain = await alone({ trials: 12 });
    expect(ends).toEqual(await endsIn(plain));
    const runs = await readdir(join(plain, 'trials'));
    expect((await readdir(join(out, 'trials'))).sort()).toEqual(runs.sort());
    for (const run of runs) {
      expect(await measuredIn(join(out, 'trials', run))).toEqual(
        await measuredIn(join(plain, 'trials', run)),
      );
    }

    const said = [a, b, double, proposing].map((process) => process.said());
    const written = await Promise.all([out, first, second, server.folder].map(contentsOf));
    expect(written.join('').length).toBeGreaterThan(10_000);
    for (const text of [...said, ...written]) expect(text).not.toContain(password);
  });

  test('a worker that is asked to end hands its trial back, the next one goes on, and the sweep finds it afterwards', async () => {
    const [out, shared] = [await temporary(), await temporary()];
    const asked = ['--optimizer', 'vradam', '--trials', '1', '--epochs', '12'];
    const first = worker('drain', shared, '--grace', '0');
    const killed = sweep('drain', out, ...asked);
    await hear(first, /begins/);
    const metricsIn = async () => (await contentsOf(shared)).match(/"kind":"epoch"/g)?.length ?? 0;
    await vi.waitFor(async () => expect(await metricsIn()).toBeGreaterThan(1), patience);
    killed.child.kill('SIGKILL');
    expect(await end(first)).toBe(0);
    expect(first.said()).toContain('handed back, with a checkpoint');

    const next = worker('drain', shared);
    await hear(next, /goes on from what an attempt before has left/);
    await hear(next, /: complete/);
    const { code, output } = await sweep('drain', out, ...asked, '--resume').finished;
    expect(code, output).toBe(0);
    expect(await end(next)).toBe(0);
    expect(next.said()).not.toContain('begins');
    const plain = await alone({ trials: 1, epochs: 12, optimizers: ['vradam'] });
    expect(await endsIn(out)).toEqual(await endsIn(plain));
    const [run] = await readdir(join(plain, 'trials'));
    const [ours, theirs] = [out, plain].map((folder) => measuredIn(join(folder, 'trials', run as string)));
    expect(await ours).toEqual(await theirs);
    expect(await readdir(shared)).toEqual([]);
  });

  test('serves several sweeps at once, also two of the same trials', async () => {
    const outs = [await temporary(), await temporary()];
    const asked = ['--optimizer', 'adamw', '--trials', '2', '--epochs', '1', '--jobs', '2'];
    const two = worker('many', await temporary(), '--jobs', '2');
    const sweeps = outs.map((out) => sweep('many', out, ...asked));
    const codes = (await Promise.all(sweeps.map(({ finished }) => finished))).map(({ code }) => code);
    expect(codes).toEqual([0, 0]);
    const [one, other] = await Promise.all(outs.map(endsIn));
    expect(one).toHaveLength(2);
    expect(one).toEqual(other);
    expect(two.said().match(/begins/g)).toHaveLength(4);
    expect(await end(two)).toBe(0);
  });

  test('a worker without data leaves trials that need them to others, and the sweep says so', async () => {
    const [poor, out] = [worker('poor', await temporary()), await temporary()];
    const waiting = sweep('poor', out, '--trials', '1', '--epochs', '1', '--data', out);
    await hear(waiting, /A worker leaves trials to others, as this worker has no --data/);
    waiting.child.kill('SIGINT');
    expect((await waiting.finished).code).toBe(130);
    expect(await endsIn(out)).toEqual([]);
    expect(await end(poor)).toBe(0);
  });

  test('without a server, sweeps and workers wait for it, and end when they are asked to', async () => {
    const gone = await startRedis();
    const variables = { VRADAM_QUEUE: gone.url, VRADAM_QUEUE_PASSWORD: password };
    const one = startWith(variables, 'worker', '--out', await temporary(), '--grace', '0');
    const two = startWith(variables, 'sweep', 'gflownet', '--epochs', '300', '--out', await temporary());
    started.push(one, two);
    await hear(one, /begins/);
    await gone.kill();
    await Promise.all([one, two].map((process) => hear(process, /is not there any more/)));
    for (const { child } of [one, two]) child.kill('SIGTERM');
    const [worked, swept] = await Promise.all([one.finished, two.finished]);
    expect([worked.code, swept.code]).toEqual([0, 143]);
    expect(swept.output).toContain('--resume goes on');
  });

  describe('asked without a command', () => {
    // the suite of the built files, which the workers are
    const script = new URL('../dist/sweep/queue/suite.js', import.meta.url).href;
    const program = `import { suiteOf } from ${JSON.stringify(script)}; console.log(suiteOf());`;
    const suite = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    const never = new AbortController().signal;
    const open: { close(): unknown }[] = [];
    afterAll(async () => {
      for (const each of open.reverse()) await each.close();
    });

    let shared: Started;
    beforeAll(() => {
      shared = worker('shared', join(tmpdir(), `vradam-queue-${process.pid}`));
    });

    async function executorAt(prefix: string, of = suite.trim()) {
      const said: string[] = [];
      const say = (text: string) => said.push(text);
      const connection = await connect(optionsFor(prefix), say);
      const folder = await temporary();
      const common = { connection, suite: of, study: 'a study', folder, limit: Number.POSITIVE_INFINITY };
      const executor = new QueueExecutor({ ...common, needsData: false, signal: never, say });
      open.push(connection, executor);
      return { executor, connection, folder, said };
    }

    const orderOf = (task: string, epochs: number): TrialOrder => {
      const { preset, engine, schedule } = gflownet;
      const config = { task, preset, engine, schedule, epochs, optimizers: ['adamw' as const], seed: 0 };
      return { folder: 'trials', runs: [{ config, learningRate: 1e-3, name: 'adamw-000-seed-0' }] };
    };

    test('a trial that fails is tried again, later and later, and then has failed', async () => {
      const { executor } = await executorAt('shared');
      const begin = performance.now();
      const outcome = await executor.run(orderOf('no-such-task', 1), {
        signal: never,
        stop: never,
        onEpoch() {},
      });
      expect(outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining('no-such-task') });
      expect(performance.now() - begin).toBeGreaterThan(6000);
      expect(shared.said().match(/begins|goes on/g)).toHaveLength(3);
    });

    test('a trial tells of its epochs, and can be pruned', async () => {
      const { executor, folder } = await executorAt('shared');
      const [stop, told] = [new AbortController(), [] as EpochReport[]];
      const onEpoch = (report: EpochReport) => {
        told.push(report);
        if (report.epoch === 1) stop.abort();
      };
      const order = orderOf('gflownet', 500);
      const { state, losses } = await executor.run(order, { signal: never, stop: stop.signal, onEpoch });
      expect(state).toBe('pruned');
      expect(told.map(({ epoch }) => epoch)).toEqual(told.map((_, i) => i));
      expect(losses[0]?.slice(0, told.length)).toEqual(told.map(({ validationLoss }) => validationLoss));
      expect(await measuredIn(join(folder, 'trials', 'adamw-000-seed-0'))).not.toEqual([]);
    });

    test('a trial that the server has forgotten is put into the queue again; one that is told of is forgotten', async () => {
      const { executor, connection } = await executorAt('forgets');
      const [order, company] = [orderOf('gflownet', 1), { signal: never, stop: never, onEpoch() {} }];
      const outcome = executor.run(order, company);
      const own = () => connection.redis.keys('forgets:*:trial-*');
      await vi.waitFor(async () => expect(await own()).not.toEqual([]), patience);
      await connection.redis.flushdb();
      const one = worker('forgets', await temporary());
      expect((await outcome).state).toBe('complete');
      expect(await own()).not.toEqual([]);
      await executor.forget(order);
      expect(await own()).toEqual([]);
      const files = keys.files('forgets', jobId('a study', order));
      expect(await connection.redis.exists(files)).toBe(0);
      await end(one);
    });

    test('trials that learnt from other data are refused, and files that are none', async () => {
      const { executor, connection } = await executorAt('shared');
      const [order, company] = [orderOf('gflownet', 1), { signal: never, stop: never, onEpoch() {} }];
      const outcome = await executor.run(order, company);
      expect(await executor.run(order, company)).toEqual(outcome);

      const [folder, name] = [await temporary(), order.runs[0]?.name as string];
      const record = JSON.stringify({ data: { source: 'elsewhere' } });
      await writeAll(join(folder, name), { 'run.json': record, 'metrics.jsonl': '' });
      const { bytes } = await packRuns(folder, order);
      const key = keys.files('shared', jobId('a study', order));
      for (const [content, code] of [
        [bytes, 'ERR_STATE_MISMATCH'],
        ['no files', 'ERR_FILE_FORMAT'],
      ] as const) {
        await connection.redis.set(key, content);
        await expect(executor.run(order, company)).rejects.toMatchObject({ code });
      }
    });

    test('says that there is no worker, or only those of another suite', async () => {
      const { executor, said } = await executorAt('other', 'another-one');
      const one = worker('other', await temporary());
      await hear(one, /At the queue/);
      const controller = new AbortController();
      const company = { signal: controller.signal, stop: never, onEpoch() {} };
      const waiting = executor.run(orderOf('gflownet', 1), company);
      await vi.waitFor(() => expect(said.join('')).toContain('other versions of the suite'), patience);
      expect(said.join('')).toContain(suite.trim());
      controller.abort('enough');
      await expect(waiting).rejects.toBe('enough');
      expect(await end(one)).toBe(0);
      expect(one.said()).not.toContain('begins');
    });

    test('warns of a server that may lose trials', async () => {
      const said: string[] = [];
      const connection: Connection = await connect(optionsFor('warns'), () => {});
      open.push(connection);
      const set = (name: string, value: string) => connection.redis.config('SET', name, value);
      await set('maxmemory-policy', 'allkeys-lru');
      await set('appendonly', 'no');
      (await connect(optionsFor('warns'), (text) => said.push(text))).close();
      await set('maxmemory-policy', 'noeviction');
      await set('appendonly', 'yes');
      expect(said).toEqual([
        expect.stringContaining('allkeys-lru'),
        expect.stringContaining('append-only file'),
      ]);
    });
  });

  describe.skipIf(!openssl)(withTls, () => {
    test('needs to be vouched for, and may ask for a certificate of the client', async () => {
      const folder = await temporary();
      const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
      const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      const subject = ['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync(openssl as string, ['req', ...kind, ...subject, '-keyout', key, '-out', cert], {
        stdio: 'ignore',
      });
      const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
      const secure = await startRedis((port) => ['--port', '0', '--tls-port', String(port), ...files]);
      try {
        const url = secure.url.replace('redis:', 'rediss:');
        const right = { ...optionsFor('tls'), url, ca: cert, cert, key };
        const connection = await connect(right, () => {});
        expect(await connection.redis.ping()).toBe('PONG');
        connection.close();
        for (const [wrong, code] of [
          [{ ca: undefined }, 'ERR_QUEUE_UNREACHABLE'],
          [{ cert: undefined, key: undefined }, 'ERR_QUEUE_UNREACHABLE'],
          [{ password: 'another' }, 'ERR_QUEUE_AUTHENTICATION'],
          [{ url: secure.url }, 'ERR_OPTION_RANGE'],
          [{ ca: join(folder, 'missing.pem') }, 'ERR_FILE_SYSTEM'],
        ] as const) {
          const asked = connect({ ...right, ...wrong }, () => {});
          await expect(asked, JSON.stringify(wrong)).rejects.toMatchObject({ code });
        }
      } finally {
        await secure.kill();
      }
    });
  });

  test('what is wrong with the address is said, and the password is not', async () => {
    const wrong = server.url.replace('//', '//:wrong-but-secret@');
    const right = server.url.replace('//', `//:${password}@`);
    for (const [url, code, words] of [
      [wrong, 'ERR_QUEUE_AUTHENTICATION', 'refuses user and password'],
      [server.url, 'ERR_QUEUE_AUTHENTICATION', 'refuses user and password'],
      ['redis://:wrong-but-secret@127.0.0.1:1', 'ERR_QUEUE_UNREACHABLE', 'no queue at 127.0.0.1:1'],
      ['127.0.0.1:wrong-but-secret', 'ERR_OPTION_RANGE', 'must be redis://host:port'],
      ['redis://:%zz-wrong-but-secret@127.0.0.1', 'ERR_OPTION_RANGE', 'must be redis://host:port'],
      [`${right}/99`, 'ERR_QUEUE_UNREACHABLE', 'DB index is out of range'],
    ] as const) {
      const error = await connect({ ...optionsFor('wrong'), url, password: undefined }, () => {}).catch(
        (e) => e,
      );
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
      // with all that an error can carry, as a program prints it that does not know it
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(
        /wrong-but-secret|only-the-queue-knows/,
      );
    }
  });

  test('the commands say so, too, and refuse what they cannot do', async () => {
    const wrong = server.url.replace('//', '//:wrong-but-secret@');
    const out = join(await temporary(), 'study');
    for (const [{ finished }, words] of [
      [startWith({ VRADAM_QUEUE: wrong }, 'worker'), 'refuses user and password'],
      [startWith({}, 'sweep', 'gflownet', '--queue', 'wrong-but-secret', '--out', out), 'must be redis://'],
      [startWith({ VRADAM_QUEUE: undefined }, 'worker'), 'a worker needs a queue'],
    ] as const) {
      const { code, output } = await finished;
      expect([code, output]).toEqual([2, expect.stringContaining(words)]);
      expect(output).not.toContain('wrong-but-secret');
    }
    expect(existsSync(out)).toBe(false);
  });
});
