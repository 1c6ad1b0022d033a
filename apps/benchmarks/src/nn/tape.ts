/** The interpreter that writes down what a model says, as plain data: a model can be sent to where it is to run. */

import type { InputSpec, Network, Nn } from './nn.ts';

/** A value of a tape, by its number: the inputs come first, then what each line makes. */
interface Taped {
  readonly $value: number;
}

/** A word and what it was given: values, numbers, names, tensors. */
interface TapeLine {
  readonly word: keyof Nn<unknown>;
  readonly given: readonly unknown[];
  /** How many values it makes, if it makes a list of them. */
  readonly parts?: number;
}

/** A model, as plain data. */
export interface Tape {
  /** Inputs of the network, in the order of their values. */
  readonly inputs: readonly (readonly [name: string, spec: InputSpec])[];
  readonly lines: readonly TapeLine[];
  readonly loss: Taped;
  readonly outputs: readonly (readonly [name: string, value: Taped])[];
}

/** Writes a network down. What it holds of tensors is shared, not copied. */
export function recordNetwork(network: Network): Tape {
  const inputs = Object.entries(network.inputs);
  const lines: TapeLine[] = [];
  let made = 0;
  const make = (): Taped => ({ $value: made++ });
  const say = (word: keyof Nn<unknown>, given: readonly unknown[]): Taped | readonly Taped[] => {
    if (word !== 'split') {
      lines.push({ word, given });
      return make();
    }
    const parts = (given[1] as readonly number[]).length;
    lines.push({ word, given, parts });
    return Array.from({ length: parts }, make);
  };
  const words = {
    get:
      (_: object, word: keyof Nn<unknown>) =>
      (...given: unknown[]) =>
        say(word, given),
  };
  const begun = Object.fromEntries(inputs.map(([name]) => [name, make()]));
  const { loss, outputs } = network.run(new Proxy({} as Nn<Taped>, words as ProxyHandler<Nn<Taped>>), begun);
  return { inputs, lines, loss, outputs: Object.entries(outputs) };
}

const isPlain = (thing: unknown): thing is Readonly<Record<string, unknown>> =>
  typeof thing === 'object' && thing !== null && !ArrayBuffer.isView(thing);

/** What a word was given, with the values of an interpreter in the place of their numbers. */
function given<V>(thing: unknown, values: readonly V[]): unknown {
  if (Array.isArray(thing)) return thing.map((each) => given(each, values));
  if (!isPlain(thing)) return thing;
  if ('$value' in thing) return values[thing['$value'] as number];
  return Object.fromEntries(Object.entries(thing).map(([key, each]) => [key, given(each, values)]));
}

/** The network that was written down. */
export function playTape({ inputs, lines, loss, outputs }: Tape): Network {
  return {
    inputs: Object.fromEntries(inputs),
    run<V>(nn: Nn<V>, begun: Readonly<Record<string, V>>) {
      const values: V[] = inputs.map(([name]) => begun[name] as V);
      for (const { word, given: args, parts } of lines) {
        const made = (nn[word] as (...args: unknown[]) => V | readonly V[])(
          ...(given(args, values) as unknown[]),
        );
        if (parts === undefined) values.push(made as V);
        else values.push(...(made as readonly V[]));
      }
      const at = ({ $value }: Taped): V => values[$value] as V;
      return {
        loss: at(loss),
        outputs: Object.fromEntries(outputs.map(([name, value]) => [name, at(value)])),
      };
    },
  };
}
