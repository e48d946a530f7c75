import { pino, type Logger } from 'pino';

const colors: Readonly<Record<string, string>> = { warn: '\x1b[33m', error: '\x1b[31m', fatal: '\x1b[31m' };

/** A line as people read it: time, level, sentence, then what belongs to it. */
function forPeople(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: string; time: string; msg: string };
  const details = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${time.slice(11, 19)} ${colors[level] ?? ''}${level.padEnd(5)}\x1b[0m ${msg}${details.join('')}\n`;
}

/** Structured logs on standard error, a JSON object a line; on a terminal as people read them. */
export function createLogger(level: string): Logger {
  const destination = process.stderr.isTTY
    ? { write: (line: string): void => void process.stderr.write(forPeople(line)) }
    : pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'error',
    },
    destination,
  );
}
