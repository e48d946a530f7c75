/** What a server did that matters for whether an answer was true when it left: in the order of its system calls. */
export type ServerStep =
  /** Bytes came in by a connection, or left by one. */
  | { readonly kind: 'received' | 'sent' }
  /** Something was appended to the journal, as far as the call had ended. */
  | { readonly kind: 'appended' }
  | { readonly kind: 'sync-began'; readonly thread: string }
  | { readonly kind: 'sync-ended'; readonly thread: string; readonly isWell: boolean };

/** Calls by which a connection of the server receives and sends, of those that strace was told to tell of. */
const receiving = /^(recvfrom|recvmsg|readv?)$/;
const sending = /^(sendto|sendmsg|writev?)$/;
const appending = /^p?writev?(64)?2?$/;
const syncing = /^(fdatasync|fsync)$/;

/** One line of strace with -f and -y: a call that began, ended, or both. */
type Line = {
  readonly thread: string;
  readonly name: string;
  readonly path: string;
  readonly isEnd: boolean;
  readonly result: string;
};

const whole = /^(\d+) +(\w+)\(\d+<([^>]*)>.*\) += (-?\d+)/;
const begun = /^(\d+) +(\w+)\(\d+<([^>]*)>.*<unfinished \.\.\.>$/;
const resumed = /^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)/;

/** The steps of a trace of a server whose journal lies in a folder `journal`. */
export function stepsOf(trace: string): ServerStep[] {
  const steps: ServerStep[] = [];
  const open = new Map<string, string>();
  for (const text of trace.split('\n')) {
    const [, thread = '', name = '', path = ''] = whole.exec(text) ?? begun.exec(text) ?? [];
    const result = whole.exec(text)?.[4];
    if (thread !== '') {
      const isEnd = result !== undefined;
      if (!isEnd) open.set(thread, path);
      steps.push(...stepsOfBegin(thread, name, path));
      if (isEnd) steps.push(...stepsOfEnd({ thread, name, path, isEnd, result }));
      continue;
    }
    const [, again = '', called = '', ended = ''] = resumed.exec(text) ?? [];
    const place = open.get(again);
    if (place === undefined) continue;
    open.delete(again);
    steps.push(...stepsOfEnd({ thread: again, name: called, path: place, isEnd: true, result: ended }));
  }
  return steps;
}

const isJournal = (path: string): boolean => path.includes('/journal/');
const isSocket = (path: string): boolean => path.startsWith('socket:') || path.startsWith('TCP:');

/** An answer leaves when its call begins. */
function stepsOfBegin(thread: string, name: string, path: string): ServerStep[] {
  if (isSocket(path) && sending.test(name)) return [{ kind: 'sent' }];
  return isJournal(path) && syncing.test(name) ? [{ kind: 'sync-began', thread }] : [];
}

/** A call of a client is there when receiving has ended. */
function stepsOfEnd({ name, path, result, thread }: Line): ServerStep[] {
  if (isSocket(path) && receiving.test(name) && Number(result) > 0) return [{ kind: 'received' }];
  if (!isJournal(path)) return [];
  if (syncing.test(name)) return [{ kind: 'sync-ended', thread, isWell: Number(result) === 0 }];
  return appending.test(name) ? [{ kind: 'appended' }] : [];
}

/** Of calls that were made one behind the other: which had, between their arrival and their answer, all that was appended made durable by a sync that began behind it. */
export function syncedAnswers(steps: readonly ServerStep[]): boolean[] {
  const answers: boolean[] = [];
  let call: { isCovered: boolean; appends: number } | undefined;
  const running = new Map<string, number>();
  let appends = 0;
  for (const step of steps) {
    if (step.kind === 'received') call = { isCovered: false, appends };
    else if (step.kind === 'appended') appends += 1;
    else if (step.kind === 'sync-began') running.set(step.thread, appends);
    else if (step.kind === 'sync-ended') {
      const covered = running.get(step.thread) ?? -1;
      running.delete(step.thread);
      if (call !== undefined && step.isWell && covered === appends && covered > call.appends) call.isCovered = true;
    } else if (call !== undefined) {
      answers.push(call.isCovered);
      call = undefined;
    }
  }
  return answers;
}
