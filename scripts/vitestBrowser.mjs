// The vitest configuration of every package's test/browser: headless Chromium, or all tests skipped with the reason.
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumPath, hasChromium, inCI, missingChromium } from './chromium.mjs';

const launch = ['--headless=new', '--no-sandbox', '--no-first-run'];
// a test speaks to its own server only
const offline = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-quic',
  '--disable-sync',
  '--metrics-recording-only',
];
// WebGL and WebGPU in software, the same on every machine: these tests are about numbers, not about speed
const software = [
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-webgpu-adapter=swiftshader',
];

const inChromium = {
  browser: {
    enabled: true,
    headless: true,
    ui: false,
    screenshotFailures: false,
    provider: playwright({
      launchOptions: { executablePath: chromiumPath, args: [...launch, ...offline, ...software] },
    }),
    instances: [{ browser: 'chromium' }],
  },
};

// declared in Node all the same, so that every test is counted
const skipped = { setupFiles: [fileURLToPath(new URL('./skipBrowserTests.mjs', import.meta.url))] };

/**
 * @param dependencies - packages the tests import, bundled ahead: one found during a run reloads the page.
 */
export function browserConfig(dependencies) {
  if (!hasChromium && inCI) throw new Error(`The browser tests may not be skipped here: ${missingChromium}.`);
  return defineConfig({
    // shared memory, as the threads of wasm need it
    server: {
      headers: {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      },
    },
    optimizeDeps: { include: dependencies },
    test: {
      include: ['test/browser/*.test.ts'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // one page for all files: to load a framework and compile its shaders for each would take as long as the tests
      isolate: false,
      ...(hasChromium ? inChromium : skipped),
    },
  });
}
