/** Puts the bodies of a model's own functions where they are called. Loaded where a model has any. */

import type { Attribute, Attributes, FunctionSpec, Model, NodeSpec } from '../model/model.ts';
import { fail, parts } from '../operators/kit.ts';

/** Nodes and calls that a file may unfold to; beyond that it is not a model but an attack. */
const limit = 200_000;
/** Functions that may call one another in a row. */
const deepest = 200;

/** Attributes of a body's node, with those of the call in the place of references. */
function bind(attributes: Attributes, given: Attributes): Attributes {
  const bound = Object.entries(attributes).map(([name, attribute]): [string, Attribute | undefined] => {
    if (attribute.type !== 'reference') return [name, attribute];
    return [name, Object.hasOwn(given, attribute.value) ? given[attribute.value] : undefined];
  });
  return Object.fromEntries(bound.filter((entry): entry is [string, Attribute] => entry[1] !== undefined));
}

/**
 * The nodes of a model without calls of its own functions.
 *
 * @throws VRAdamError `ERR_MODEL_INVALID` if functions call themselves, `ERR_LIMIT` if they unfold without end.
 */
function inlineFunctions({ nodes, functions }: Model): readonly NodeSpec[] {
  const byName = new Map(functions.map((f) => [`${f.domain}.${f.name}`, f]));
  const flat: NodeSpec[] = [];
  let calls = 0;

  const unfold = (node: NodeSpec, within: readonly string[]): void => {
    const key = `${node.domain}.${node.op}`;
    const body = byName.get(key);
    if (Math.max(flat.length, calls) >= limit)
      fail('ERR_LIMIT', `functions must unfold to fewer than ${limit} nodes and calls. Received: more.`);
    if (!body) {
      flat.push(node);
      return;
    }
    if (within.includes(key)) fail('ERR_MODEL_INVALID', `a function must not call itself. Received: ${key}.`);
    if (within.length >= deepest)
      fail('ERR_LIMIT', `at most ${deepest} functions may call one another in a row. Received: more.`);
    for (const inner of instantiate(body, node, ++calls)) unfold(inner, [...within, key]);
  };
  for (const node of nodes) unfold(node, []);
  return flat;
}

/** The body of a function with the names of one call. */
function instantiate(body: FunctionSpec, call: NodeSpec, number: number): NodeSpec[] {
  const names = new Map<string, string>([['', '']]);
  body.inputs.forEach((name, i) => void names.set(name, call.inputs[i] ?? ''));
  const given = { ...body.attributes, ...call.attributes };
  const outputs = new Map(body.outputs.map((name, i) => [name, call.outputs[i] ?? '']));
  const nameOf = (name: string): string => {
    const wanted = outputs.get(name) || `${body.name}_${number}/${name}`;
    if (!names.has(name)) names.set(name, wanted);
    return names.get(name) as string;
  };
  const inner = body.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(nameOf),
    outputs: node.outputs.map(nameOf),
    attributes: bind(node.attributes, given),
  }));
  // an output that is an input goes through a node of its own
  const passed = body.outputs.flatMap((name, i) =>
    body.inputs.includes(name) && call.outputs[i]
      ? [
          {
            op: 'Identity',
            domain: '',
            name: '',
            inputs: [nameOf(name)],
            outputs: [call.outputs[i]],
            attributes: {},
          },
        ]
      : [],
  );
  return [...inner, ...passed];
}

parts.inlineFunctions = inlineFunctions;
