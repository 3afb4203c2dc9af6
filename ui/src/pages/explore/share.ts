/** What is seen, in forms that others can use: an address that stands still, a command, a panel. */
import { baseOf, type DataSource } from '../../dashboard/sources.ts';
import type { Span } from '../../state/range.ts';

/** An address that shows the same moment to whoever opens it, relative times turned into fixed ones. */
export function fixedAddress(href: string, span: Span): string {
  const url = new URL(href);
  url.searchParams.delete('range');
  url.searchParams.delete('refresh');
  url.searchParams.set('from', String(Math.floor(span.from)));
  url.searchParams.set('to', String(Math.ceil(span.to)));
  return url.href;
}

const shellQuoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;

/** The commands that ask the same; `base` is the server's address. */
export function curlCommands(base: string, source: DataSource, expressions: readonly string[], grid: { start: number; end: number; step: number }): string {
  return expressions
    .map((expression) => `curl -G ${shellQuoted(new URL(`${baseOf(source)}query_range`, base).href)} --data-urlencode ${shellQuoted(`query=${expression}`)} -d start=${grid.start} -d end=${grid.end} -d step=${grid.step}`)
    .join('\n');
}

/** A dashboard's panel that shows the same. */
export function panelOf(title: string, expressions: readonly string[], kind: 'timeseries' | 'table' | 'heatmap' | 'logs', { type, uid }: DataSource): Record<string, unknown> {
  const datasource = { type, uid };
  return {
    type: kind,
    title,
    datasource,
    gridPos: { h: 9, w: 12, x: 0, y: 0 },
    targets: expressions.map((expr, index) => ({
      refId: String.fromCharCode(65 + (index % 26)) + (index < 26 ? '' : String(Math.floor(index / 26))),
      datasource,
      expr,
      editorMode: 'code',
      ...(kind === 'table' ? { instant: true, range: false, format: 'table' } : kind === 'heatmap' ? { format: 'heatmap' } : {}),
    })),
    options: {},
    fieldConfig: { defaults: {}, overrides: [] },
  };
}

/** A dashboard with a further panel below all others. */
export function withPanel(dashboard: Record<string, unknown>, panel: Record<string, unknown>): Record<string, unknown> {
  const panels = Array.isArray(dashboard['panels']) ? (dashboard['panels'] as { id?: number; gridPos?: { y?: number; h?: number } }[]) : [];
  const bottom = panels.reduce((most, { gridPos }) => Math.max(most, (gridPos?.y ?? 0) + (gridPos?.h ?? 0)), 0);
  const id = panels.reduce((most, other) => Math.max(most, other.id ?? 0), 0) + 1;
  return { ...dashboard, panels: [...panels, { ...panel, id, gridPos: { ...(panel['gridPos'] as object), y: bottom } }] };
}
