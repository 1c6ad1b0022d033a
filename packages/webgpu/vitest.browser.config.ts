import { browserConfig } from '../../scripts/vitestBrowser.mjs';

export default browserConfig(['@vradam/conformance > fast-check']);
