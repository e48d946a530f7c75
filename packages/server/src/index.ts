export { loadConfig, fileKey, type LoadedConfig } from './config/load.ts';
export { configKeys, type Config } from './config/schema.ts';
