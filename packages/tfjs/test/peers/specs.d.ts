declare module '@tensorflow/tfjs-core/dist/*';
