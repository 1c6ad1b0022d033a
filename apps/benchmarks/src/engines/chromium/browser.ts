/** A Chromium with one page, and questions to it. */

import { VRAdamError } from '@vradam/core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { benchmarkError } from '../../errors.ts';
import { requireChromium } from './executable.ts';
import { type Answer, pack, type Request, unpack } from './messages.ts';
import { PageServer } from './server.ts';

const flags = [
  '--headless=new',
  '--no-sandbox',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-quic',
  '--disable-sync',
  '--enable-unsafe-webgpu',
];

function launch(executablePath: string): Promise<Browser> {
  // an interrupted run still has to ask for a checkpoint: this process decides when Chromium ends
  const handled = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  return chromium.launch({ executablePath, args: flags, ...handled }).catch((cause: Error) => {
    throw benchmarkError('ERR_UNSUPPORTED', {
      wrong: `${executablePath} must start as a browser`,
      received: cause.message.split('\n')[0],
      action: 'Name another Chromium in VRADAM_CHROMIUM.',
      cause,
    });
  });
}

function failureOf(answer: Answer): Error | null {
  if (!('failure' in answer)) return null;
  const { code, message } = answer.failure;
  return code === null
    ? new Error(`in the page: ${message}`)
    : new VRAdamError(code as VRAdamError['code'], message);
}

/** A page that answers. It ends with {@link PageProcess.close}, or with this process. */
export class PageProcess {
  readonly #server: PageServer;
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(server: PageServer, browser: Browser, page: Page) {
    this.#server = server;
    this.#browser = browser;
    this.#page = page;
  }

  /**
   * Starts Chromium with a profile of its own.
   *
   * @throws VRAdamError `ERR_UNSUPPORTED` without a Chromium that starts.
   */
  static async open(): Promise<PageProcess> {
    const executable = requireChromium();
    const [server, browser] = await Promise.all([PageServer.open(), launch(executable)]);
    const page = await browser.newPage();
    await page.goto(server.address);
    return new PageProcess(server, browser, page);
  }

  /** Version of Chromium. */
  get version(): string {
    return this.#browser.version();
  }

  /**
   * Asks the page.
   *
   * @param what - what is asked for, in words, for an error.
   * @throws what the page throws; VRAdamError `ERR_BROWSER_ENDED` if it is gone.
   */
  async ask(request: Request, what: string): Promise<unknown> {
    const name = this.#server.put(pack(request));
    try {
      await this.#page.evaluate((address) => (globalThis as unknown as Attendant).attend(address), name);
    } catch (cause) {
      throw benchmarkError('ERR_BROWSER_ENDED', {
        wrong: `Chromium ended or crashed during ${what}`,
        received: (cause as Error).message.split('\n')[0],
        action: 'What was recorded is kept: go on with --resume, or choose an engine that runs in Node.',
        cause,
      });
    }
    const answer = unpack(this.#server.take(name)) as Answer;
    const failure = failureOf(answer);
    if (failure) throw failure;
    return (answer as { value: unknown }).value;
  }

  /** Ends the browser and its server. */
  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }
}

/** What the page's script leaves in its global scope. */
interface Attendant {
  attend(address: string): Promise<void>;
}
