/** Names of what a plot shows, with reductions of the values. A click shows one alone, with Ctrl or Cmd it hides one. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { isolate, toggle } from '../../chart/legend.tsx';
import { displayText } from '../../fields/display.ts';
import { findReducer, reduce } from '../../fields/reduce.ts';
import { formatText } from '../../fields/units.ts';
import type { Field } from '../../frames/frame.ts';

export interface LegendItem {
  key: string;
  name: string;
  color: string;
  /** What its values are reduced from; none has no reductions. */
  field?: Field | undefined;
  dashed?: boolean;
  /** Measured by an axis on the right. */
  right?: boolean;
}

export interface LegendOptions {
  showLegend?: boolean;
  displayMode?: 'list' | 'table' | 'hidden';
  placement?: 'bottom' | 'right';
  calcs?: string[];
  sortBy?: string;
  sortDesc?: boolean;
  width?: number;
  /** Of old dashboards: a table. */
  asTable?: boolean;
  isVisible?: boolean;
}

export const legendIn = (options: Record<string, unknown>): LegendOptions => (typeof options['legend'] === 'object' && options['legend'] !== null ? (options['legend'] as LegendOptions) : {});

export const legendShown = ({ showLegend, displayMode, isVisible }: LegendOptions): boolean => (showLegend ?? isVisible ?? true) && displayMode !== 'hidden';

/** What a reduction is called in Grafana, which is how `sortBy` names it. */
export const calcName = (id: string): string => findReducer(id)?.name ?? id;

function calcText(id: string, value: unknown, field: Field): string {
  if (value === null || value === undefined) return '–';
  if (id === 'diffperc') return formatText('percentunit', typeof value === 'number' ? value : null);
  if (findReducer(id)?.keepsUnit === false) return String(value);
  return field.display ? displayText(field.display(value)) : String(value);
}

/** More buttons than these would make the page slow; the others are asked for. */
const FIRST_ITEMS = 150;

interface LegendProps {
  items: readonly LegendItem[];
  options: LegendOptions;
  hidden: ReadonlySet<string>;
  onHide: (hidden: ReadonlySet<string>) => void;
  onOptions?: ((options: Record<string, unknown>) => void) | undefined;
}

export function Legend({ items, options, hidden, onHide, onOptions }: LegendProps): JSX.Element {
  const calcs = Array.isArray(options.calcs) ? options.calcs : [];
  const table = options.displayMode === 'table' || (options.displayMode === undefined && options.asTable === true);
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState<{ by: string; descending: boolean } | undefined>(undefined);
  const sort = chosen ?? (options.sortBy ? { by: options.sortBy, descending: options.sortDesc ?? false } : undefined);
  const key = calcs.join();
  const rows = useMemo(() => items.map((item) => ({ item, values: item.field && calcs.length > 0 ? reduce(item.field, calcs) : {} })), [items, key]);
  const sorted = useMemo(() => {
    if (!sort) return rows;
    const calc = calcs.find((id) => calcName(id) === sort.by || id === sort.by);
    const direction = sort.descending ? -1 : 1;
    if (calc === undefined) return sort.by === 'Name' ? [...rows].sort((a, b) => direction * a.item.name.localeCompare(b.item.name, undefined, { numeric: true })) : rows;
    const size = (value: unknown): number => (typeof value === 'number' && !Number.isNaN(value) ? value : -Infinity);
    return [...rows].sort((a, b) => {
      const [x, y] = [size(a.values[calc]), size(b.values[calc])];
      return x === y ? 0 : direction * (x < y ? -1 : 1);
    });
  }, [rows, sort?.by, sort?.descending]);
  const keys = useMemo(() => items.map((item) => item.key), [items]);
  const shown = all ? sorted : sorted.slice(0, FIRST_ITEMS);
  const pressed = (event: MouseEvent, item: LegendItem): void =>
    onHide(event.ctrlKey || event.metaKey || event.shiftKey ? toggle(hidden, item.key) : isolate(keys, hidden, item.key));
  const order = (by: string): void => {
    const descending = sort?.by === by ? !sort.descending : by !== 'Name';
    setChosen({ by, descending });
    onOptions?.({ legend: { ...options, sortBy: by, sortDesc: descending } });
  };
  const button = (item: LegendItem, content: JSX.Element | string = item.name): JSX.Element => (
    <button type="button" class="plot-legend-item" aria-pressed={!hidden.has(item.key)} title={`${item.name}\nClick: show alone. Ctrl or Cmd click: hide.`} onClick={(event) => pressed(event, item)}>
      <i class={item.dashed ? 'plot-swatch plot-swatch-dashed' : 'plot-swatch'} style={{ color: item.color }} />
      <span class="plot-legend-name">{content}</span>
      {item.right && <span class="unit">(right)</span>}
    </button>
  );
  const rest = sorted.length - shown.length;
  const more = rest > 0 && (
    <button type="button" class="plot-legend-item link" onClick={() => setAll(true)}>
      and {rest} more
    </button>
  );
  if (!table)
    return (
      <div class="plot-legend">
        {shown.map(({ item, values }) => (
          <span class="plot-legend-entry" key={item.key}>
            {button(item)}
            {item.field &&
              calcs.map((id) => (
                <span class="plot-legend-calc" key={id}>
                  {calcName(id)}: <b>{calcText(id, values[id], item.field!)}</b>
                </span>
              ))}
          </span>
        ))}
        {more}
      </div>
    );
  const header = (by: string, text: string, number: boolean): JSX.Element => (
    <th scope="col" key={by} class={number ? 'number' : ''} aria-sort={sort?.by === by ? (sort.descending ? 'descending' : 'ascending') : 'none'}>
      <button type="button" class="link" onClick={() => order(by)}>
        {text}
        {sort?.by === by && <span aria-hidden="true">{sort.descending ? ' ↓' : ' ↑'}</span>}
      </button>
    </th>
  );
  return (
    <div class="plot-legend plot-legend-table">
      <table>
        <thead>
          <tr>
            {header('Name', 'Name', false)}
            {calcs.map((id) => header(calcName(id), calcName(id), true))}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ item, values }) => (
            <tr key={item.key}>
              <td>{button(item)}</td>
              {calcs.map((id) => (
                <td class="number" key={id}>
                  {item.field ? calcText(id, values[id], item.field) : ''}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </div>
  );
}
