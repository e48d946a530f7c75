import type { Host } from '@ashlar/host';
import { openLocked } from './lock.ts';
import { checkQcow2 } from './qcow2/check/check.ts';
import type { CheckRepair, CheckResult, Say } from './qcow2/check/findings.ts';
import { probeFormat, type ImageFormat } from './qcow2/open.ts';

export type CheckImageOptions = {
  /** Without it the file is looked at. */
  readonly format?: ImageFormat | undefined;
  /** Default `none`: nothing is changed. */
  readonly repair?: CheckRepair | undefined;
  /** Default false. Looks at it also while others write to it, which may be found as damage. */
  readonly forceShare?: boolean | undefined;
  readonly say?: Say;
};

/**
 * Checks the structures of an image, and mends them where that is asked for. Gives nothing where its format has none, as raw has. Fails as `openImage`,
 * and with `corrupt` where too little is whole to be checked.
 */
export async function checkImage(
  host: Host,
  path: string,
  { format, repair = 'none', forceShare = false, say = () => undefined }: CheckImageOptions,
): Promise<CheckResult | undefined> {
  const file = openLocked(host, path, repair !== 'none' ? 'write' : forceShare ? 'share' : 'read');
  try {
    if ((format ?? (await probeFormat(file))) === 'raw') return undefined;
    return await checkQcow2(file, path, repair, say);
  } finally {
    file.close();
  }
}
