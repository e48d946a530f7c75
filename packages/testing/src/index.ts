export { testAsRoot, testWithTools } from './tools.ts';
