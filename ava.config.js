export default {
  extensions: ['ts'],
  files: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
  timeout: '2m',
  concurrency: 2,
  // A process a file: tests send signals, hold file locks and load native code.
  workerThreads: false,
};
