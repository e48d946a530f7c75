// For `--import`.
import { resolveSources } from './resolve-sources.js';

resolveSources();
