import { accessChecks } from './access-checks.ts';
import { aclChecks } from './acl-checks.ts';
import { attributeChecks } from './attribute-checks.ts';
import type { Check } from './check.ts';
import { createChecks } from './create-checks.ts';
import { dataChecks } from './data-checks.ts';
import { fileSystemChecks } from './file-system-checks.ts';
import { handleChecks } from './handle-checks.ts';
import { listChecks } from './list-checks.ts';
import { malformedChecks } from './malformed-checks.ts';
import { mountChecks } from './mount-checks.ts';
import { nameChecks } from './name-checks.ts';
import { permissionChecks } from './permission-checks.ts';
import { portmapChecks } from './portmap-checks.ts';
import { removeChecks } from './remove-checks.ts';
import { renameChecks } from './rename-checks.ts';
import { repeatChecks } from './repeat-checks.ts';
import { rpcChecks } from './rpc-checks.ts';

/** All checks, in the order in which they are made. */
export const checks: readonly Check[] = [
  ...rpcChecks,
  ...portmapChecks,
  ...mountChecks,
  ...attributeChecks,
  ...accessChecks,
  ...nameChecks,
  ...dataChecks,
  ...createChecks,
  ...removeChecks,
  ...renameChecks,
  ...listChecks,
  ...fileSystemChecks,
  ...permissionChecks,
  ...aclChecks,
  ...handleChecks,
  ...repeatChecks,
  ...malformedChecks,
];
