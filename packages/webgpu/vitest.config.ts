import { nodeConfig } from '../../scripts/vitestNode.mjs';

export default nodeConfig;
