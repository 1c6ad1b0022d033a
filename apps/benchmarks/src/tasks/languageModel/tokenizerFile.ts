/** Tokens by a `tokenizer.json`, as Hugging Face's libraries write them. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { PreTrainedTokenizer } from '@xenova/transformers';
import { readDecompressed, sha256 } from '../../data/index.ts';
import { benchmarkError } from '../../errors.ts';
import type { Tokenizer } from './vocabulary.ts';

const rule = { kind: 'a tokenizer file', maxBytes: 50_000_000 };

/** A special token in a configuration: its text, or an object around it. */
type NamedToken = string | { readonly content?: string } | null | undefined;

interface TokenizerConfig {
  readonly eos_token?: NamedToken;
  readonly pad_token?: NamedToken;
}

function unusable(name: string, wrong: string, received: unknown, cause?: unknown): Error {
  const action = 'Give another tokenizer.json.';
  return benchmarkError('ERR_FILE_FORMAT', { wrong: `${name}: ${wrong}`, received, action, cause });
}

const contentOf = (token: NamedToken): string | undefined =>
  typeof token === 'string' ? token : token?.content;

/** The `tokenizer_config.json` beside the file, which names the special tokens; empty without one. */
async function readConfig(path: string): Promise<string> {
  return readFile(join(dirname(path), 'tokenizer_config.json'), 'utf8').catch(() => '{}');
}

/** Has the library load both files from a folder of their own, and nothing from anywhere else. */
async function open(file: Uint8Array, config: string): Promise<PreTrainedTokenizer> {
  const { AutoTokenizer, env } = await import('@xenova/transformers');
  const folder = await mkdtemp(join(tmpdir(), 'vradam-tokenizer-'));
  try {
    await writeFile(join(folder, 'tokenizer.json'), file);
    await writeFile(join(folder, 'tokenizer_config.json'), config);
    Object.assign(env, {
      allowRemoteModels: false,
      localModelPath: `${dirname(folder)}/`,
      useFSCache: false,
    });
    return await AutoTokenizer.from_pretrained(basename(folder), { local_files_only: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The number of a special token that the configuration names. */
function idOf({ model }: PreTrainedTokenizer, token: NamedToken): number | null {
  const content = contentOf(token);
  return (content === undefined ? undefined : model.tokens_to_ids.get(content)) ?? null;
}

/** Encodes line by line, with an end after each, and sees to it that all numbers are tokens. */
function encoder(tokenizer: PreTrainedTokenizer, name: string, end: number | null): Tokenizer['encode'] {
  const { length: size } = tokenizer.model.vocab;
  return (text) => {
    const tokens: number[] = [];
    for (const line of text.split('\n')) {
      if (line.trim() === '') continue;
      for (const token of tokenizer.encode(line, null, { add_special_tokens: false })) tokens.push(token);
      if (end !== null) tokens.push(end);
    }
    const isToken = (token: number) => Number.isInteger(token) && token >= 0 && token < size;
    if (tokens.every(isToken)) return Int32Array.from(tokens);
    const received = tokens.find((token) => !isToken(token));
    throw unusable(name, 'a tokenizer must have a token for everything in the text', received);
  };
}

/**
 * Opens a `tokenizer.json`, with the `tokenizer_config.json` beside it if there is one. Offline: nothing is fetched.
 *
 * @param path - the file, of at most 50 MB.
 * @throws VRAdamError ERR_FILE_SYSTEM for a file that cannot be read, ERR_FILE_FORMAT for one that is no tokenizer; its
 *   `encode` throws the latter for text that it has no token for.
 */
export async function openTokenizer(path: string): Promise<Tokenizer> {
  const name = basename(path);
  const file = await readDecompressed(path, rule);
  const config = await readConfig(path);
  try {
    const tokenizer = await open(file, config);
    const { eos_token, pad_token } = JSON.parse(config) as TokenizerConfig;
    const end = idOf(tokenizer, eos_token);
    const padding = idOf(tokenizer, pad_token);
    return {
      description: `${tokenizer.model.vocab.length} tokens of ${name}, sha256 ${sha256(file).slice(0, 12)}`,
      size: tokenizer.model.vocab.length,
      // many models pad with their end token, which has to be learnt
      padding: padding === end ? null : padding,
      encode: encoder(tokenizer, name, end),
    };
  } catch (cause) {
    throw unusable(name, 'it must be a tokenizer.json that can be loaded', cause, cause);
  }
}
