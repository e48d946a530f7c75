/** How long something takes, in seconds. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await body();
  return (performance.now() - fromMs) / 1000;
}
