/** Frames as a table that sorts, filters and scrolls through any number of rows. */
import { inkOf } from '../../fields/color.ts';
import { Component, type JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { fieldName } from '../../fields/names.ts';
import type { Frame } from '../../frames/frame.ts';
import { offsetsOf, useWindow, type RowHeights } from '../lists/virtual.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { CALCULATIONS, choices } from '../values/editors.ts';
import { numberOr, withDefaults } from '../values/options.ts';
import { NoValues } from '../values/value-text.tsx';
import { shown } from '../values/values.ts';
import { CellContent } from './cells.tsx';
import { Head } from './head.tsx';
import { Inspector, type Inspected } from './inspector.tsx';
import { cellText, columnsOf, columnWidths, COLUMNS_SHOWN, footers, linesOf, nextSort, rowsOf, type Column, type Filter, type OldFooter, type SortBy } from './model.ts';
import '../values/values.css';
import './table.css';

const OPTIONS = {
  frameIndex: 0,
  showHeader: true,
  showTypeIcons: false,
  cellHeight: 'sm' as 'sm' | 'md' | 'lg' | 'auto',
  sortBy: [] as SortBy[],
  enablePagination: false,
  pageSize: 0,
  maxRowHeight: 0,
  frozenColumns: { left: 0 },
  footer: undefined as OldFooter | undefined,
};
type Options = typeof OPTIONS;

const CELL_HEIGHTS: Record<string, number> = { sm: 30, md: 38, lg: 48, auto: 30 };
const LINE_HEIGHT = 18;
const HEAD_HEIGHT = 30;
const FOOT_LINE = 20;
const BAR_HEIGHT = 34;
const EXPANDER_WIDTH = 30;
/** Lines of wrapped text in a cell that is not told otherwise. */
const LINES_SHOWN = 12;
/** Space for a table within a table. */
const NESTED_ROWS = 12;

export function TablePanel(props: PanelProps): JSX.Element {
  const { panel, frames, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const [chosenFrame, chooseFrame] = useState<number | undefined>(undefined);
  const usable = useMemo(() => frames.filter(({ fields }) => fields.length > 0), [frames]);
  const index = Math.max(0, Math.min(usable.length - 1, chosenFrame ?? numberOr(options.frameIndex, 0)));
  const frame = usable[index];
  if (!frame) return <NoValues text={panel.fieldConfig?.defaults?.noValue} />;
  const several = usable.length > 1;
  return (
    <div class="table-panel">
      <Table key={index} {...props} frame={frame} options={options} height={Math.max(0, height - (several ? BAR_HEIGHT : 0))} width={width} />
      {several && (
        <div class="table-bar" style={{ height: `${BAR_HEIGHT}px` }}>
          <select
            aria-label={english.frame}
            value={String(index)}
            onChange={(event) => {
              const chosen = Number(event.currentTarget.value);
              chooseFrame(chosen);
              props.onOptions?.({ frameIndex: chosen });
            }}
          >
            {usable.map((candidate, at) => (
              <option key={at} value={String(at)}>
                {frameTitle(candidate, at, usable)}
              </option>
            ))}
          </select>
        </div>
      )}
    </div>
  );
}

const frameTitle = (frame: Frame, index: number, frames: readonly Frame[]): string => {
  const number = frame.fields.find(({ type }) => type === 'number');
  return frame.name || (number ? fieldName(number, frame, frames) : '') || frame.refId || english.frameNumber(index + 1);
};

type TableProps = PanelProps & { frame: Frame; options: Options; nested?: boolean };

function Table(props: TableProps): JSX.Element {
  const { panel, frame, frames, options, width, height, links } = props;
  const box = useRef<HTMLDivElement>(null);
  const [chosenSort, chooseSort] = useState<readonly SortBy[] | undefined>(undefined);
  const [filters, setFilters] = useState<ReadonlyMap<string, Filter>>(new Map());
  const [resized, setResized] = useState<ReadonlyMap<string, number>>(new Map());
  const [expanded, setExpanded] = useState<ReadonlySet<number>>(new Set());
  const [inspected, inspect] = useState<Inspected | undefined>(undefined);
  const [page, setPage] = useState(0);

  const columns = useMemo(() => columnsOf(frame, frames, options.footer), [frame, frames, options.footer]);
  const nested = useMemo(() => frame.fields.find(({ type }) => type === 'nestedFrames'), [frame]);
  const sortBy = chosenSort ?? (Array.isArray(options.sortBy) ? options.sortBy : []);
  const rows = useMemo(() => rowsOf(frame, columns, sortBy, filters), [frame, columns, sortBy, filters]);
  const foot = useMemo(() => (columns.some(({ footer }) => footer.length > 0) ? footers(columns, rows) : undefined), [columns, rows]);
  const footLines = foot?.reduce((most, cells) => Math.max(most, cells.length), 0) ?? 0;
  const countRows = options.footer?.show === true && options.footer.countRows === true;

  const cellHeight = CELL_HEIGHTS[options.cellHeight] ?? CELL_HEIGHTS['sm']!;
  const showHead = options.showHeader !== false && columns.some(({ hideHeader }) => !hideHeader);
  const headHeight = showHead ? HEAD_HEIGHT : 0;
  const footHeight = (footLines > 0 ? footLines * FOOT_LINE + 8 : 0) + (countRows ? FOOT_LINE + 8 : 0);
  const available = Math.max(0, width - 2 - (rows.length * cellHeight + headHeight + footHeight > height ? 12 : 0) - (nested ? EXPANDER_WIDTH : 0));
  const widths = useMemo(() => columnWidths(columns, available, resized), [columns, available, resized]);
  const total = widths.reduce((sum, size) => sum + size, 0) + (nested ? EXPANDER_WIDTH : 0);

  const paginated = options.enablePagination === true;
  const perPage = paginated ? numberOr(options.pageSize, 0) || Math.max(1, Math.floor((height - headHeight - footHeight - BAR_HEIGHT) / cellHeight)) : rows.length;
  const pages = paginated ? Math.max(1, Math.ceil(rows.length / perPage)) : 1;
  const current = Math.min(page, pages - 1);
  const seen = useMemo(() => (paginated ? rows.slice(current * perPage, (current + 1) * perPage) : rows), [rows, paginated, current, perPage]);

  const wrapping = columns.flatMap((column, index) => (column.wrap || options.cellHeight === 'auto' || (column.cell.type === 'markdown') ? [{ column, index }] : []));
  const heights: RowHeights = useMemo(() => {
    if (wrapping.length === 0 && expanded.size === 0) return cellHeight;
    const most = numberOr(options.maxRowHeight, 0) || LINES_SHOWN * LINE_HEIGHT + 12;
    return offsetsOf(seen.length, (at) => {
      const row = seen[at]!;
      let lines = 1;
      for (const { column, index } of wrapping) lines = Math.max(lines, linesOf(cellText(column.field, column.field.values[row]), widths[index]!));
      const own = Math.max(cellHeight, Math.min(most, (lines - 1) * LINE_HEIGHT + cellHeight));
      return own + (nested && expanded.has(row) ? nestedHeight(nestedFrames(nested.values[row]), height) : 0);
    });
  }, [seen, widths, wrapping.length, expanded, cellHeight, options.maxRowHeight, height]);
  const space = Math.max(0, height - (paginated ? BAR_HEIGHT : 0));
  const view = useWindow(box, seen.length, heights, space - headHeight - footHeight);
  const colored = columns.find(({ cell }) => cell.type === 'color-background' && cell.applyToRow);

  const setSort = (next: SortBy[]): void => {
    chooseSort(next);
    setPage(0);
    props.onOptions?.({ sortBy: next });
  };
  const toggle = (row: number): void =>
    setExpanded((last) => {
      const next = new Set(last);
      if (!next.delete(row)) next.add(row);
      return next;
    });
  const frozen = Math.max(0, Math.min(columns.length, numberOr(options.frozenColumns?.left, 0)));
  const leftOf = (index: number): string | undefined => (index < frozen ? `${(nested ? EXPANDER_WIDTH : 0) + widths.slice(0, index).reduce((sum, size) => sum + size, 0)}px` : undefined);

  return (
    <>
      <div class="table-scroller" ref={box} style={{ height: `${space}px` }} tabIndex={0} role="region" aria-label={english.rowsLabel(panel.title || english.table, rows.length)}>
        <table class="table-grid" style={{ width: `${total}px` }} aria-rowcount={rows.length + (showHead ? 1 : 0)} aria-colcount={columns.length}>
          <colgroup>
            {nested && <col style={{ width: `${EXPANDER_WIDTH}px` }} />}
            {widths.map((size, index) => (
              <col key={index} style={{ width: `${size}px` }} />
            ))}
          </colgroup>
          {options.showHeader !== false && (
            <Head
              hidden={!showHead}
              columns={columns}
              widths={widths}
              frame={frame}
              sortBy={sortBy}
              filters={filters}
              expander={nested !== undefined}
              typeIcons={options.showTypeIcons === true}
              leftOf={leftOf}
              onSort={(name, add) => setSort(nextSort(sortBy, name, add))}
              onFilter={(name, filter) => {
                setPage(0);
                setFilters((last) => {
                  const next = new Map(last);
                  if (filter) next.set(name, filter);
                  else next.delete(name);
                  return next;
                });
              }}
              onResize={(name, size) => setResized((last) => new Map(last).set(name, size))}
            />
          )}
          <tbody>
            {view.before > 0 && <Space height={view.before} />}
            {seen.slice(view.first, view.end).map((row, offset) => (
              <Row
                key={row}
                {...{ row, columns, widths, frame, frames, links, leftOf, inspect, colored, nested: nested !== undefined, expanded: expanded.has(row), toggle }}
                position={current * (paginated ? perPage : 0) + view.first + offset}
                height={wrapping.length === 0 ? cellHeight : rowHeight(heights, view.first + offset, nested && expanded.has(row) ? nestedHeight(nestedFrames(nested.values[row]), height) : 0)}
                onFilter={props.onFilter}
                below={nested && expanded.has(row) ? <Nested {...props} frames={nestedFrames(nested.values[row])} width={Math.min(total, width) - EXPANDER_WIDTH - 16} height={nestedHeight(nestedFrames(nested.values[row]), height)} span={props.span} columns={columns.length} /> : null}
              />
            ))}
            {view.after > 0 && <Space height={view.after} />}
            {rows.length === 0 && (
              <tr>
                <td class="table-none muted" colSpan={columns.length + (nested ? 1 : 0)}>
                  {frame.length === 0 ? (panel.fieldConfig?.defaults?.noValue ?? english.noRows) : english.noRowPassesFilters}
                </td>
              </tr>
            )}
          </tbody>
          {(foot || countRows) && (
            <tfoot>
              {foot && (
                <tr style={{ height: `${footLines * FOOT_LINE + 8}px` }}>
                  {nested && <td />}
                  {columns.map((column, index) => (
                    <td key={index} class={leftOf(index) === undefined ? undefined : 'table-frozen'} style={{ 'text-align': column.align, left: leftOf(index) }}>
                      {foot[index]!.map((cell) => (
                        <div key={cell.name} class="table-total">
                          {(column.footer.length > 1 || column.field.type !== 'number') && <span class="muted">{cell.name} </span>}
                          <b title={cell.name}>{cell.text}</b>
                        </div>
                      ))}
                    </td>
                  ))}
                </tr>
              )}
              {countRows && (
                <tr>
                  <td colSpan={columns.length + (nested ? 1 : 0)}>
                    <span class="muted">{english.count} </span>
                    <b>{rows.length}</b>
                  </td>
                </tr>
              )}
            </tfoot>
          )}
        </table>
        {frame.fields.length > COLUMNS_SHOWN && <p class="values-left muted">{english.moreColumnsNotShown(frame.fields.length - COLUMNS_SHOWN)}</p>}
      </div>
      {paginated && <Pager page={current} pages={pages} rows={rows.length} perPage={perPage} onPage={(next) => (setPage(next), box.current?.scrollTo({ top: 0 }))} />}
      {inspected && <Inspector {...inspected} onClose={() => inspect(undefined)} />}
    </>
  );
}

const rowHeight = (heights: RowHeights, at: number, below: number): number => (typeof heights === 'number' ? heights : heights[at + 1]! - heights[at]! - below);

const nestedFrames = (value: unknown): Frame[] => (Array.isArray(value) ? (value as Frame[]).filter((item) => Array.isArray(item?.fields)) : []);
const nestedHeight = (frames: readonly Frame[], space: number): number => {
  const rows = Math.min(NESTED_ROWS, frames[0]?.length ?? 0);
  return Math.max(HEAD_HEIGHT + CELL_HEIGHTS['sm']! + 14, Math.min(Math.max(120, space * 0.7), HEAD_HEIGHT + rows * CELL_HEIGHTS['sm']! + 16)) + (frames.length > 1 ? BAR_HEIGHT : 0);
};

/** The space of rows that are not there. */
const Space = ({ height }: { height: number }): JSX.Element => (
  <tr aria-hidden="true" class="table-space" style={{ height: `${height}px` }}>
    <td colSpan={1000} />
  </tr>
);

function Nested(props: TableProps & { columns: number }): JSX.Element {
  return (
    <tr class="table-nested" style={{ height: `${props.height}px` }}>
      <td />
      <td colSpan={props.columns}>
        <TablePanel {...props} panel={{ ...props.panel, title: english.detailsOf(props.panel.title), options: { showHeader: true, sortBy: [] } }} onOptions={undefined} height={props.height - 12} />
      </td>
    </tr>
  );
}

interface RowProps {
  row: number;
  position: number;
  columns: readonly Column[];
  widths: readonly number[];
  frame: Frame;
  frames: readonly Frame[];
  links: PanelProps['links'];
  leftOf: (index: number) => string | undefined;
  inspect: (value: Inspected) => void;
  colored: Column | undefined;
  nested: boolean;
  expanded: boolean;
  toggle: (row: number) => void;
  height: number;
  onFilter: PanelProps['onFilter'];
  below: JSX.Element | null;
}

/** Rows that stay in sight while others come are not drawn again. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const last = this.props;
    return next.below !== null || last.below !== null || ROW_PARTS.some((part) => next[part] !== last[part]);
  }
  override render(): JSX.Element {
    return <Cells {...this.props} />;
  }
}
const ROW_PARTS = ['row', 'position', 'columns', 'widths', 'frame', 'links', 'colored', 'nested', 'expanded', 'height', 'onFilter'] as const;

function Cells(props: RowProps): JSX.Element {
  const { row, columns, widths, frame, frames, links, leftOf, inspect, colored, height, onFilter } = props;
  const ground = colored && shown(colored.field, colored.field.values[row]).color;
  return (
    <>
      <tr aria-rowindex={props.position + 2} class={ground ? 'on-color' : undefined} style={{ height: `${height}px`, ...(ground ? { '--color': ground } : {}) }}>
        {props.nested && (
          <td class="table-expander">
            <button type="button" aria-expanded={props.expanded} aria-label={props.expanded ? english.hideDetails : english.showDetails} onClick={() => props.toggle(row)}>
              {props.expanded ? '▾' : '▸'}
            </button>
          </td>
        )}
        {columns.map((column, index) => {
          const { field, cell } = column;
          const value = field.values[row];
          const display = cell.type === 'color-text' || cell.type === 'color-background' ? shown(field, value) : undefined;
          const colorGround = cell.type === 'color-background' && !cell.applyToRow ? display?.color : undefined;
          const text = cellText(field, value);
          const tooltip = column.tooltip === undefined ? undefined : columns.find(({ name }) => name === column.tooltip);
          const filterable = onFilter !== undefined && field.config.filterable === true && text !== '';
          const left = leftOf(index);
          const content = <CellContent {...{ column, frame, frames, row, links }} width={widths[index]!} height={height} />;
          return (
            <td
              key={index}
              class={`${column.wrap || cell.type === 'markdown' ? 'table-wrap' : ''}${colorGround ? ` on-color${cell.gradient ? ' on-color-gradient' : ''}` : ''}${field.type === 'number' || field.type === 'time' ? ' table-number' : ''}${left === undefined ? '' : ' table-frozen'}`}
              style={{ 'text-align': column.align, left, ...(colorGround ? { '--color': colorGround } : {}), ...(cell.type === 'color-text' && display?.color ? { color: inkOf(display.color) } : {}) }}
              title={tooltip ? cellText(tooltip.field, tooltip.field.values[row]) : cell.type === 'auto' && text.length > 12 ? text : undefined}
            >
              {column.wrap || cell.type === 'markdown' ? <div style={{ 'max-height': `${height - 1}px`, overflow: 'hidden' }}>{content}</div> : content}
              {(column.inspect || filterable) && (
                <span class="cell-tools">
                  {filterable && (
                    <>
                      <button type="button" aria-label={english.filterForColumn(text)} title={english.filterForThisValue} onClick={() => onFilter(field.name, String(value), '=')}>
                        +
                      </button>
                      <button type="button" aria-label={english.filterOutColumn(text)} title={english.filterOutThisValue} onClick={() => onFilter(field.name, String(value), '!=')}>
                        −
                      </button>
                    </>
                  )}
                  {column.inspect && (
                    <button type="button" aria-label={english.inspectOf(column.name)} title={english.inspectValue} onClick={() => inspect({ title: column.name, value, text })}>
                      ⤢
                    </button>
                  )}
                </span>
              )}
            </td>
          );
        })}
      </tr>
      {props.below}
    </>
  );
}

function Pager({ page, pages, rows, perPage, onPage }: { page: number; pages: number; rows: number; perPage: number; onPage: (page: number) => void }): JSX.Element {
  return (
    <nav class="table-bar" aria-label={english.pagesOfRows} style={{ height: `${BAR_HEIGHT}px` }}>
      <button type="button" class="button button-icon" disabled={page === 0} aria-label={english.previousPage} onClick={() => onPage(page - 1)}>
        ‹
      </button>
      <span>{english.pageOf(page + 1, pages)}</span>
      <button type="button" class="button button-icon" disabled={page >= pages - 1} aria-label={english.nextPage} onClick={() => onPage(page + 1)}>
        ›
      </button>
      <span class="muted table-span">{rows === 0 ? english.n0Rows : english.rowsShown(page * perPage + 1, Math.min(rows, (page + 1) * perPage), rows.toLocaleString('en'))}</span>
    </nav>
  );
}

export const kind: PanelKind = {
  id: 'table',
  name: english.table,
  Component: TablePanel,
  options: OPTIONS,
  field: { custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } },
  data: true,
  editor: [
    { path: 'options.showHeader', name: english.head, group: english.table, kind: 'switch' },
    { path: 'options.cellHeight', name: english.heightOfCells, group: english.table, kind: 'choice', choices: [{ value: 'sm', text: english.small }, { value: 'md', text: english.medium }, { value: 'lg', text: english.large }, { value: 'auto', text: english.byContent }] },
    { path: 'options.maxRowHeight', name: english.largestHeightOfRowsPx, group: english.table, kind: 'number', min: 0, max: 1000 },
    { path: 'options.enablePagination', name: english.pages, group: english.table, kind: 'switch' },
    { path: 'options.pageSize', name: english.rowsOfPage, group: english.table, kind: 'number', min: 0, max: 1000 },
    { path: 'options.frozenColumns.left', name: english.frozenColumns, group: english.table, kind: 'number', min: 0, max: 10 },
    { path: 'options.showTypeIcons', name: english.typesOfColumns, group: english.table, kind: 'switch' },
    { path: 'custom.width', name: english.widthPx, group: english.column, kind: 'number', min: 20, max: 1000 },
    { path: 'custom.minWidth', name: english.smallestWidthPx, group: english.column, kind: 'number', min: 50, max: 500 },
    { path: 'custom.align', name: english.alignment, group: english.column, kind: 'choice', choices: choices(['auto', 'left', 'center', 'right']) },
    { path: 'custom.filterable', name: english.filter, group: english.column, kind: 'switch' },
    { path: 'custom.wrapText', name: english.wrapText, group: english.column, kind: 'switch' },
    { path: 'custom.wrapHeaderText', name: english.wrapHead, group: english.column, kind: 'switch' },
    { path: 'custom.hidden', name: english.hidden, group: english.column, kind: 'switch' },
    { path: 'custom.inspect', name: english.inspectValues, group: english.column, kind: 'switch' },
    { path: 'custom.footer.reducers', name: english.calculationsBelow, group: english.column, kind: 'choices', choices: CALCULATIONS },
    {
      path: 'custom.cellOptions.type',
      name: english.cells,
      group: english.cells,
      kind: 'choice',
      choices: [
        { value: 'auto', text: english.text },
        { value: 'color-text', text: english.colouredText },
        { value: 'color-background', text: english.colouredGround },
        { value: 'gauge', text: english.gauge },
        { value: 'sparkline', text: english.sparkline },
        { value: 'json-view', text: english.json },
        { value: 'pill', text: english.pills },
        { value: 'markdown', text: english.markdown },
        { value: 'data-links', text: english.links },
        { value: 'image', text: english.image },
      ],
    },
    { path: 'custom.cellOptions.mode', name: english.styleOfGaugeOrGround, group: english.cells, kind: 'choice', choices: choices(['basic', 'gradient', 'lcd']) },
    { path: 'custom.cellOptions.valueDisplayMode', name: english.valuesOfGauges, group: english.cells, kind: 'choice', choices: choices(['color', 'text', 'hidden']) },
    { path: 'custom.cellOptions.applyToRow', name: english.colourWholeRow, group: english.cells, kind: 'switch' },
  ],
};
