import test from 'ava';
import { deployed, metricsOf } from './ashlar.ts';

/** Prometheus adds these itself. */
const added = ['instance', 'job', 'le'];

type Use = { readonly name: string; readonly labels: readonly string[] };

/** The labels of each series that a server exports, by its name. */
async function exportedSeries(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const series = new Map<string, Set<string>>();
  for (const [, name, labels] of (await metricsOf()).matchAll(/^([a-z]\w+)(\{.*\})? /gm)) {
    const names = [...(labels ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label!);
    series.set(name!, new Set([...(series.get(name!) ?? []), ...names]));
  }
  return series;
}

/** The series that an expression names, with the labels that it selects by. */
function usesIn(expression: string): Use[] {
  const found = expression.matchAll(/\b((?:ashlar|process|nodejs)_[a-z_]+)(?:\{([^}]*)\})?/g);
  return [...found].map(([, name, labels]) => ({
    name: name!,
    labels: [...(labels ?? '').matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label!),
  }));
}

function faults(uses: readonly Use[], series: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  return uses.flatMap(({ name, labels }) => {
    const there = series.get(name);
    if (there === undefined) return [`${name} is not exported`];
    return labels
      .filter((label) => !there.has(label) && !added.includes(label))
      .map((label) => `${name} has no ${label}`);
  });
}

test('the dashboard and the alerts use only series and labels that a server exports', async (t) => {
  const dashboard = JSON.parse(await deployed('grafana/ashlar.json')) as {
    panels: { targets: { expr: string }[] }[];
    templating: { list: { query: string }[] };
  };
  const rules = await deployed('prometheus/ashlar.rules.yml');
  const expressions = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.map(({ query }) => query),
    ...[...rules.matchAll(/^\s+expr: (.*)$/gm)].map(([, expression]) => expression!),
  ];
  const uses = expressions.flatMap(usesIn);
  t.true(uses.length > 20);
  const series = await exportedSeries();
  t.deepEqual(faults(uses, series), []);
  const shown = new Set(uses.map(({ name }) => name.replace(/_(?:bucket|sum|count)$/, '')));
  const ours = [...series.keys()].map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
  const hidden = new Set(ours.filter((name) => name.startsWith('ashlar_') && !shown.has(name)));
  t.deepEqual([...hidden], [], 'series that nothing shows');
});

test('panels of the dashboard have ids of their own and do not overlap', async (t) => {
  const { panels } = JSON.parse(await deployed('grafana/ashlar.json')) as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  t.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  t.is(new Set(cells).size, cells.length);
});

test('Prometheus scrapes the path and the port that a server has by default', async (t) => {
  const scrape = await deployed('prometheus/prometheus.yml');
  t.regex(scrape, /metrics_path: \/metrics\n/);
  t.regex(scrape, /targets: \['127\.0\.0\.1:9810'\]/);
});
