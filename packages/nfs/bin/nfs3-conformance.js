#!/usr/bin/env node
import { runOnNode24 } from '@ashlar/core/node24';

await runOnNode24(import.meta.url, '../src/conformance/main.ts');
