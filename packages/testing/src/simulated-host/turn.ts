/** Turns that are asked for at once: the event loop looks at everything else only behind all of them. */
const turnsAhead = 32;

let waiting: (() => void)[] = [];
let asked = 0;

function next(): void {
  asked -= 1;
  const resolvers = waiting;
  waiting = [];
  for (const resolve of resolvers) resolve();
}

/** Settles when every promise has gone on that can: behind each of its immediates the event loop runs them to the last. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (asked > 0) return;
    asked = turnsAhead;
    for (let count = 0; count < turnsAhead; count += 1) setImmediate(next);
  });
}
