// What a page loads to train the CIFAR-10 CNN, for size-limit.
import { loadedFor, page, training } from './pageSize.mjs';

export default page('cnn', training, loadedFor('cnn-paper'));
