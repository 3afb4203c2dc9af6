/** Names of what a plot shows, with reductions of the values. A click shows one alone, with Ctrl or Cmd it hides one. */
import type { JSX } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isolate, toggle } from '../../chart/legend.tsx';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import { findReducer, reduce } from '../../fields/reduce.ts';
import { formatText } from '../../fields/units.ts';
import type { Field } from '../../frames/frame.ts';
import { useWindow } from '../lists/virtual.ts';

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

/** More names than these would make the page slow: of a table only the rows in sight are there, of a list the others are asked for. */
const FIRST_ITEMS = 100;
/** Of a row of the table, until one was measured. CSS pixels. */
const ROW_PX = 23;

const NAMES = new Intl.Collator(undefined, { numeric: true });

/** What a legend's table scrolls in, and how high that and a row are. */
function useScroller(wanted: boolean): { root: { current: HTMLDivElement | null }; box: { current: HTMLElement | null }; height: number; row: number } {
  const root = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLElement | null>(null);
  const [size, setSize] = useState({ height: 240, row: ROW_PX });
  useLayoutEffect(() => {
    const element = (box.current = root.current?.parentElement ?? null);
    if (!wanted || !element) return;
    const observer = new ResizeObserver(() => {
      const row = root.current?.querySelector<HTMLElement>('[data-legend-row]')?.offsetHeight || ROW_PX;
      setSize((last) => (last.height === element.clientHeight && last.row === row ? last : { height: element.clientHeight, row }));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [wanted]);
  return { root, box, ...size };
}

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
  // Found when they are looked at: of hundreds of names only few are in sight.
  const valuesOf = useMemo(() => {
    const known = new Map<LegendItem, Record<string, unknown>>();
    return (item: LegendItem): Record<string, unknown> => {
      let values = known.get(item);
      if (!values) known.set(item, (values = item.field && calcs.length > 0 ? reduce(item.field, calcs) : {}));
      return values;
    };
  }, [items, key]);
  const sorted = useMemo(() => {
    if (!sort) return items;
    const calc = calcs.find((id) => calcName(id) === sort.by || id === sort.by);
    const direction = sort.descending ? -1 : 1;
    if (calc === undefined) return sort.by === english.name ? [...items].sort((a, b) => direction * NAMES.compare(a.name, b.name)) : items;
    const size = (value: unknown): number => (typeof value === 'number' && !Number.isNaN(value) ? value : -Infinity);
    return [...items].sort((a, b) => {
      const [x, y] = [size(valuesOf(a)[calc]), size(valuesOf(b)[calc])];
      return x === y ? 0 : direction * (x < y ? -1 : 1);
    });
  }, [items, valuesOf, sort?.by, sort?.descending]);
  const keys = useMemo(() => items.map((item) => item.key), [items]);
  const windowed = table && sorted.length > FIRST_ITEMS;
  const { root, box, height, row } = useScroller(windowed);
  const seen = useWindow(box, sorted.length, row, height);
  const shown = windowed ? sorted.slice(seen.first, seen.end) : all ? sorted : sorted.slice(0, FIRST_ITEMS);
  const pressed = (event: MouseEvent, item: LegendItem): void =>
    onHide(event.ctrlKey || event.metaKey || event.shiftKey ? toggle(hidden, item.key) : isolate(keys, hidden, item.key));
  const order = (by: string): void => {
    const descending = sort?.by === by ? !sort.descending : by !== english.name;
    setChosen({ by, descending });
    onOptions?.({ legend: { ...options, sortBy: by, sortDesc: descending } });
  };
  const button = (item: LegendItem, content: JSX.Element | string = item.name): JSX.Element => (
    <button type="button" class="plot-legend-item" aria-pressed={!hidden.has(item.key)} title={english.click(item.name)} onClick={(event) => pressed(event, item)}>
      <i class={item.dashed ? 'plot-swatch plot-swatch-dashed' : 'plot-swatch'} style={{ color: item.color }} />
      <span class="plot-legend-name">{content}</span>
      {item.right && <span class="unit">{english.rightAxis}</span>}
    </button>
  );
  const rest = sorted.length - shown.length;
  const more = rest > 0 && !windowed && (
    <button type="button" class="plot-legend-item link" onClick={() => setAll(true)}>
      {english.andMore(rest)}
    </button>
  );
  if (!table)
    return (
      <div class="plot-legend">
        {shown.map((item) => (
          <span class="plot-legend-entry" key={item.key}>
            {button(item)}
            {item.field &&
              calcs.map((id) => (
                <span class="plot-legend-calc" key={id}>
                  {calcName(id)}: <b>{calcText(id, valuesOf(item)[id], item.field!)}</b>
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
    <div class="plot-legend plot-legend-table" ref={root}>
      <table {...(windowed ? { 'aria-rowcount': sorted.length + 1 } : {})}>
        <thead>
          <tr>
            {header(english.name, english.name, false)}
            {calcs.map((id) => header(calcName(id), calcName(id), true))}
          </tr>
        </thead>
        <tbody>
          {windowed && seen.before > 0 && <tr aria-hidden="true" class="plot-legend-space" style={{ height: `${seen.before}px` }} />}
          {shown.map((item, index) => (
            <tr key={item.key} data-legend-row="" {...(windowed ? { 'aria-rowindex': seen.first + index + 2 } : {})}>
              <td>{button(item)}</td>
              {calcs.map((id) => (
                <td class="number" key={id}>
                  {item.field ? calcText(id, valuesOf(item)[id], item.field) : ''}
                </td>
              ))}
            </tr>
          ))}
          {windowed && seen.after > 0 && <tr aria-hidden="true" class="plot-legend-space" style={{ height: `${seen.after}px` }} />}
        </tbody>
      </table>
      {more}
    </div>
  );
}
