declare module '@tensorflow/tfjs-backend-wasm/dist/*.wasm?url' {
  const url: string;
  export default url;
}
