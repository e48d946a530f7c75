import { execFileSync } from 'node:child_process';

/** The first line that a program prints, or a dash. */
export function firstLine(program: string, ...options: string[]): string {
  try {
    const output = execFileSync(program, options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return output.split('\n')[0]!.trim();
  } catch {
    return '-';
  }
}

/** What is tested, and whether that is no commit as it is: reports change nothing of it, and where git cannot be asked nobody knows. */
export const checkout = (): { readonly commit: string; readonly isChanged: boolean } => ({
  commit: firstLine('git', 'rev-parse', 'HEAD'),
  isChanged: firstLine('git', 'status', '--porcelain', '--', ':!docs/reports') !== '',
});
