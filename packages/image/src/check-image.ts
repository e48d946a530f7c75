import type { Host } from '@ashlar/host';
import { checkQcow2 } from './qcow2/check/check.ts';
import type { CheckRepair, CheckResult, Say } from './qcow2/check/findings.ts';
import { probeFormat, type ImageFormat } from './qcow2/open.ts';

export type CheckImageOptions = {
  /** Without it the file is looked at. */
  readonly format?: ImageFormat | undefined;
  /** Default `none`: nothing is changed. */
  readonly repair?: CheckRepair | undefined;
  readonly say?: Say;
};

/**
 * Checks the structures of an image, and mends them where that is asked for. Gives nothing where its format has none, as raw has. Fails as `openImage`,
 * and with `corrupt` where too little is whole to be checked.
 */
export async function checkImage(
  host: Host,
  path: string,
  { format, repair = 'none', say = () => undefined }: CheckImageOptions,
): Promise<CheckResult | undefined> {
  const file = host.open(path, { readOnly: repair === 'none' });
  try {
    if ((format ?? (await probeFormat(file))) === 'raw') return undefined;
    return await checkQcow2(file, path, repair, say);
  } finally {
    file.close();
  }
}
