import { beforeEach } from 'vitest';
import { missingChromium } from './chromium.mjs';

beforeEach(({ skip }) => skip(missingChromium));
