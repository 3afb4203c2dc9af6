/** The head of a table: sorts, filters and resizes columns. */
import type { JSX, TargetedPointerEvent } from 'preact';
import { useId, useMemo, useRef, useState } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import type { Frame } from '../../frames/frame.ts';
import { distinctTexts, type Column, type Filter, type SortBy } from './model.ts';

interface HeadProps {
  /** For screen readers only. */
  hidden: boolean;
  columns: readonly Column[];
  widths: readonly number[];
  frame: Frame;
  sortBy: readonly SortBy[];
  filters: ReadonlyMap<string, Filter>;
  expander: boolean;
  typeIcons: boolean;
  leftOf: (index: number) => string | undefined;
  onSort: (name: string, add: boolean) => void;
  onFilter: (name: string, filter: Filter | undefined) => void;
  onResize: (name: string, width: number) => void;
}

const SMALLEST = 40;
const LARGEST = 2000;
const STEP = 20;
const TYPES: Record<string, string> = { number: '#', time: '◷', string: 'Aa', boolean: '✓', other: '{}' };

export function Head(props: HeadProps): JSX.Element {
  const { columns, sortBy } = props;
  return (
    <thead class={props.hidden ? 'table-head-hidden' : undefined}>
      <tr>
        {props.expander && (
          <th class="table-expander">
            <span class="hidden">{english.details}</span>
          </th>
        )}
        {columns.map((column, index) => {
          const order = sortBy.findIndex(({ displayName }) => displayName === column.name || displayName === column.field.name);
          const sort = sortBy[order];
          const left = props.leftOf(index);
          return (
            <th key={index} scope="col" class={left === undefined ? undefined : 'table-frozen'} aria-sort={sort === undefined ? undefined : sort.desc ? 'descending' : 'ascending'} style={{ 'text-align': column.align, left }}>
              <span class={`table-head${column.wrapHeader ? ' table-head-wrap' : ''}`} data-align={column.align}>
                {column.hideHeader || props.hidden ? (
                  <span class="hidden">{column.name}</span>
                ) : (
                  <button
                    type="button"
                    class="table-sort"
                    disabled={!column.sortable}
                    title={[column.name, column.field.config.description].filter(Boolean).join('\n')}
                    onClick={(event) => props.onSort(column.name, event.shiftKey || event.ctrlKey || event.metaKey)}
                    onKeyDown={(event) => {
                      // With Shift, arrows change the width.
                      if (!event.shiftKey || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return;
                      event.preventDefault();
                      props.onResize(column.name, bounded(props.widths[index]! + (event.key === 'ArrowRight' ? STEP : -STEP)));
                    }}
                  >
                    {props.typeIcons && <span class="muted">{TYPES[column.field.type] ?? ''} </span>}
                    <span class="table-name">{column.name}</span>
                    {sort && (
                      <span class="table-order" aria-hidden="true">
                        {sort.desc ? '↓' : '↑'}
                        {sortBy.length > 1 && <sub>{order + 1}</sub>}
                      </span>
                    )}
                  </button>
                )}
                {column.filterable && !props.hidden && <ColumnFilter column={column} frame={props.frame} filter={props.filters.get(column.name)} onFilter={(filter) => props.onFilter(column.name, filter)} />}
              </span>
              {!props.hidden && <Handle width={props.widths[index]!} onResize={(width) => props.onResize(column.name, width)} />}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

const bounded = (width: number): number => Math.max(SMALLEST, Math.min(LARGEST, Math.round(width)));

/** The edge of a column, to drag. */
function Handle({ width, onResize }: { width: number; onResize: (width: number) => void }): JSX.Element {
  const start = useRef<{ x: number; width: number } | undefined>(undefined);
  const down = (event: TargetedPointerEvent<HTMLElement>): void => {
    event.preventDefault();
    start.current = { x: event.clientX, width };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event: TargetedPointerEvent<HTMLElement>): void => {
    if (start.current) onResize(bounded(start.current.width + event.clientX - start.current.x));
  };
  const up = (): void => void (start.current = undefined);
  return <span class="table-handle" aria-hidden="true" onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={up} />;
}

/** Texts of a column that are offered. */
const OFFERED = 500;

function ColumnFilter({ column, frame, filter, onFilter }: { column: Column; frame: Frame; filter: Filter | undefined; onFilter: (filter: Filter | undefined) => void }): JSX.Element {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const show = (button: HTMLElement): void => {
    const element = box.current;
    if (!element) return;
    element.showPopover();
    const place = button.getBoundingClientRect();
    element.style.left = `${Math.max(4, Math.min(place.left, innerWidth - element.offsetWidth - 8))}px`;
    element.style.top = `${Math.max(4, Math.min(place.bottom + 4, innerHeight - element.offsetHeight - 8))}px`;
    element.querySelector('input')?.focus();
  };
  return (
    <>
      <button type="button" class="table-filter" aria-pressed={filter !== undefined} aria-label={english.filterColumn(column.name)} aria-haspopup="dialog" aria-controls={id} onClick={(event) => show(event.currentTarget)}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M1.5 2.5h13L9.5 8.6v4.9l-3-1.6V8.6z" />
        </svg>
      </button>
      <div ref={box} id={id} popover="auto" class="table-filter-box" role="dialog" aria-label={english.filterColumn(column.name)} onToggle={(event) => setOpen((event as unknown as ToggleEvent).newState === 'open')}>
        {open && <Choices column={column} frame={frame} filter={filter} onFilter={onFilter} />}
      </div>
    </>
  );
}

function Choices({ column, frame, filter, onFilter }: { column: Column; frame: Frame; filter: Filter | undefined; onFilter: (filter: Filter | undefined) => void }): JSX.Element {
  const all = useMemo(() => distinctTexts(frame, column, Infinity).texts, [frame, column]);
  const contains = filter?.contains ?? '';
  const found = all.filter(({ text }) => contains === '' || text.toLowerCase().includes(contains.toLowerCase()));
  const change = (next: Filter): void => onFilter(next.contains === '' && next.values === undefined ? undefined : next);
  const toggle = (text: string): void => {
    const values = new Set(filter?.values ?? all.map((item) => item.text));
    if (!values.delete(text)) values.add(text);
    change({ contains, values: values.size === all.length ? undefined : values });
  };
  return (
    <>
      <input type="text" class="table-filter-text" placeholder={english.containsPlaceholder} aria-label={english.containsLabel} value={contains} onInput={(event) => change({ contains: event.currentTarget.value, values: filter?.values })} />
      <div class="table-filter-all">
        <button type="button" class="link" onClick={() => change({ contains, values: undefined })}>
          {english.all}
        </button>
        <button type="button" class="link" onClick={() => change({ contains, values: new Set() })}>
          {english.none}
        </button>
        <button type="button" class="link" disabled={filter === undefined} onClick={() => onFilter(undefined)}>
          {english.clear}
        </button>
      </div>
      <ul class="table-filter-values">
        {found.slice(0, OFFERED).map(({ text, count }) => (
          <li key={text}>
            <label>
              <input type="checkbox" checked={filter?.values === undefined || filter.values.has(text)} onChange={() => toggle(text)} />
              <span class="ellipsis">{text === '' ? english.empty : text}</span>
              <span class="muted">{count}</span>
            </label>
          </li>
        ))}
      </ul>
      {found.length > OFFERED && <p class="muted table-filter-more">{english.moreByTyping(found.length - OFFERED)}</p>}
    </>
  );
}
