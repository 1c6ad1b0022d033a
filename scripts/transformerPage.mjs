// What a page loads to train the transformer, for size-limit.
import { loadedFor, page, training } from './pageSize.mjs';

export default page('transformer', training, loadedFor('transformer'));
