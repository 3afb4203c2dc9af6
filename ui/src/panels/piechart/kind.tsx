/** Shares of a whole. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { isolate, toggle } from '../../chart/legend.tsx';
import { seriesColor } from '../../chart/data.ts';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { choices, REDUCTION_EDITOR } from '../values/editors.ts';
import { textWidth } from '../values/fit.ts';
import { Linked } from '../values/linked.tsx';
import { numberOr, stringsOf, withDefaults } from '../values/options.ts';
import { NoValues } from '../values/value-text.tsx';
import { linksOf, readValues, REDUCTION, type ShownValue } from '../values/values.ts';
import { percentText, slicePath, slicesOf, type Slice } from './slices.ts';
import '../values/values.css';
import './piechart.css';

const OPTIONS = {
  reduceOptions: REDUCTION,
  pieType: 'pie' as 'pie' | 'donut',
  sort: 'desc' as 'desc' | 'asc' | 'none',
  displayLabels: [] as string[],
  tooltip: { mode: 'single' as 'single' | 'multi' | 'none', sort: 'none', hideZeros: false },
  legend: { showLegend: true, displayMode: 'list' as 'list' | 'table' | 'hidden', placement: 'bottom' as 'bottom' | 'right', values: [] as string[], width: undefined as number | undefined },
};
type Options = typeof OPTIONS;

/** Rows of a tooltip over all slices. */
const TOOLTIP_ROWS = 20;
const SMALLEST_LABEL_SHARE = 0.04;

function PieChart(props: PanelProps): JSX.Element {
  const { panel, frames, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const { values, left } = useMemo(() => readValues(props, options.reduceOptions), [frames, options, panel.fieldConfig]);
  const shownValues = useMemo(() => values.filter(({ field }) => (field?.config.custom?.['hideFrom'] as { viz?: boolean } | undefined)?.viz !== true), [values]);
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set());
  const [hovered, hover] = useState<string | undefined>(undefined);
  const slices = useMemo(() => slicesOf(shownValues, (value, index) => value.display.color ?? seriesColor(index), options.sort, hidden), [shownValues, options.sort, hidden]);
  if (slices.length === 0) return <NoValues text={panel.fieldConfig?.defaults?.noValue} />;

  const { legend } = options;
  const hasLegend = legend.showLegend !== false && legend.displayMode !== 'hidden' && width > 90 && height > 90;
  const right = legend.placement === 'right' && width > 220;
  const legendWidth = right ? Math.min(width * 0.6, numberOr(legend.width, 0) || Math.max(140, Math.min(width - Math.min(height, width * 0.5), longestName(slices) + 50 + 64 * stringsOf(legend.values).length))) : width;
  const rowsBelow = legend.displayMode === 'table' ? Math.min(slices.length + 1, Math.max(2, Math.floor((height * 0.4) / 24))) : slices.length > 3 ? 2 : 1;
  const legendHeight = right ? height : Math.min(height * 0.42, rowsBelow * 24 + 6);
  const box = !hasLegend ? { width, height } : right ? { width: width - legendWidth, height } : { width, height: height - legendHeight };
  const all = slices.map(({ key }) => key);
  const click = (event: MouseEvent, key: string): void => hide(event.ctrlKey || event.metaKey ? toggle(hidden, key) : isolate(all, hidden, key));
  return (
    <div class={`pie${right ? ' pie-right' : ''}`}>
      <Pie slices={slices} options={options} width={Math.max(0, box.width)} height={Math.max(0, box.height)} title={panel.title} hovered={hovered} hover={hover} links={props.links} />
      {hasLegend && <PieLegend slices={slices} options={options} hidden={hidden} left={left} onClick={click} hover={hover} style={right ? { width: `${legendWidth}px`, height: `${height}px` } : { height: `${legendHeight}px` }} />}
    </div>
  );
}

const longestName = (slices: readonly Slice[]): number => slices.slice(0, 100).reduce((most, { value }) => Math.max(most, textWidth(value.name, 12)), 0);

interface PieProps {
  slices: readonly Slice[];
  options: Options;
  width: number;
  height: number;
  title: string;
  hovered: string | undefined;
  hover: (key: string | undefined) => void;
  links: PanelProps['links'];
}

function Pie({ slices, options, width, height, title, hovered, hover, links }: PieProps): JSX.Element {
  const radius = Math.max(0, Math.min(width, height) / 2 - 6);
  const [cx, cy] = [width / 2, height / 2];
  const inner = options.pieType === 'donut' ? radius * 0.62 : 0;
  const labels = stringsOf(options.displayLabels);
  const drawn = slices.filter(({ share }) => share !== undefined);
  const current = slices.find(({ key }) => key === hovered);
  const [at, moved] = useState<{ x: number; y: number }>({ x: 0, y: 0 });
  const summary = drawn
    .slice(0, 5)
    .map((slice) => `${slice.value.name} ${percentText(slice.share!)}`)
    .join(', ');
  return (
    <div
      class="pie-canvas"
      style={{ width: `${width}px`, height: `${height}px` }}
      onPointerLeave={() => hover(undefined)}
      onPointerMove={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        moved({ x: event.clientX - box.left, y: event.clientY - box.top });
      }}
    >
      <svg width={width} height={height} role="img" aria-label={`${title}: ${summary || english.nothingToShare}`}>
        {drawn.length === 0 && <circle cx={cx} cy={cy} r={Math.max(0, (radius + inner) / 2)} class="pie-nothing" style={{ 'stroke-width': `${Math.max(1, radius - inner)}px` }} />}
        {drawn.map((slice) => (
          <path
            key={slice.key}
            d={slicePath(cx, cy, inner, hovered === slice.key ? radius + 4 : radius, slice.from, slice.to)}
            class="pie-slice"
            data-faded={hovered !== undefined && hovered !== slice.key}
            style={{ fill: slice.color }}
            onPointerEnter={() => hover(slice.key)}
          />
        ))}
        {labels.length > 0 &&
          radius > 40 &&
          drawn.map((slice) => {
            if (slice.share! < SMALLEST_LABEL_SHARE) return null;
            const angle = ((slice.from + slice.to) / 2 - 0.25) * 2 * Math.PI;
            const distance = inner > 0 ? (inner + radius) / 2 : slice.share! > 0.5 ? radius * 0.5 : radius * 0.66;
            const [x, y] = drawn.length === 1 && inner === 0 ? [cx, cy] : [cx + distance * Math.cos(angle), cy + distance * Math.sin(angle)];
            const lines = labelLines(slice, labels, options);
            const size = Math.max(9, Math.min(13, radius / 9));
            // A label that is wider than its slice covers its neighbours.
            const space = inner > 0 ? (radius - inner) * 1.15 : 2 * distance * Math.sin(Math.min(Math.PI / 2, slice.share! * Math.PI)) * 1.05;
            if (drawn.length > 1 && Math.max(...lines.map((line) => textWidth(line, size))) > space) return null;
            return (
              <g key={slice.key} class="pie-label-ground" style={{ '--color': slice.color }}>
                <text class="pie-label" x={x} y={y - ((lines.length - 1) * size * 1.2) / 2} style={{ 'font-size': `${size}px` }}>
                  {lines.map((line, index) => (
                    <tspan key={index} x={x} dy={index === 0 ? 0 : size * 1.2}>
                      {line}
                    </tspan>
                  ))}
                </text>
              </g>
            );
          })}
      </svg>
      {/* Links cannot be in the picture alone: slices that lead somewhere lead there from the legend as well. */}
      {drawn.map((slice) => {
        const found = linksOf(slice.value, links);
        return found.length > 0 ? (
          <div key={slice.key} class="hidden pie-link">
            <Linked links={found}>{slice.value.name}</Linked>
          </div>
        ) : null;
      })}
      {current && options.tooltip.mode !== 'none' && <Tooltip slices={options.tooltip.mode === 'multi' ? slices : [current]} current={current} at={at} width={width} options={options} />}
    </div>
  );
}

function labelLines({ value, share }: Slice, labels: readonly string[], options: Options): string[] {
  const decimals = value.field?.config.decimals;
  return (['name', 'value', 'percent'] as const).filter((label) => labels.includes(label)).map((label) => (label === 'name' ? value.name : label === 'value' ? displayText(value.display) : percentText(share!, options.displayLabels.length > 0 ? decimals : null)));
}

function Tooltip({ slices, current, at, width, options }: { slices: readonly Slice[]; current: Slice; at: { x: number; y: number }; width: number; options: Options }): JSX.Element {
  let rows = slices.filter(({ value }) => !options.tooltip.hideZeros || value.display.numeric !== 0);
  if (options.tooltip.sort === 'asc' || options.tooltip.sort === 'desc') rows = [...rows].sort((a, b) => (a.value.display.numeric - b.value.display.numeric) * (options.tooltip.sort === 'asc' ? 1 : -1));
  return (
    <div class="readout" aria-hidden="true" style={{ ...(at.x < width / 2 ? { left: `${at.x + 14}px` } : { right: `${width - at.x + 14}px` }), top: `${at.y + 10}px` }}>
      {rows.slice(0, TOOLTIP_ROWS).map((slice) => (
        <div class="readout-row" key={slice.key} style={{ 'font-weight': slice === current && rows.length > 1 ? '600' : '400' }}>
          <i class="swatch" style={{ background: slice.color }} />
          <span class="readout-name">{slice.value.name}</span>
          <b>{displayText(slice.value.display)}</b>
          <span class="unit">{slice.share === undefined ? '' : percentText(slice.share)}</span>
        </div>
      ))}
      {rows.length > TOOLTIP_ROWS && <div class="muted">{english.andMore(rows.length - TOOLTIP_ROWS)}</div>}
    </div>
  );
}

interface LegendProps {
  slices: readonly Slice[];
  options: Options;
  hidden: ReadonlySet<string>;
  left: number;
  onClick: (event: MouseEvent, key: string) => void;
  hover: (key: string | undefined) => void;
  style: Record<string, string>;
}

function PieLegend({ slices, options, hidden, left, onClick, hover, style }: LegendProps): JSX.Element {
  const wanted = stringsOf(options.legend.values);
  const [withValue, withPercent] = [wanted.includes('value'), wanted.includes('percent')];
  const inLegend = slices.filter(({ value }) => !isHiddenFromLegend(value));
  const item = (slice: Slice): JSX.Element => (
    <button
      type="button"
      class="legend-item"
      aria-pressed={!hidden.has(slice.key)}
      title={english.click(slice.value.name)}
      onClick={(event) => onClick(event, slice.key)}
      onPointerEnter={() => hover(slice.key)}
      onPointerLeave={() => hover(undefined)}
    >
      <i class="swatch" style={{ background: slice.color }} />
      <span class="legend-name">{slice.value.name}</span>
    </button>
  );
  const percent = (slice: Slice): string => (slice.share === undefined ? '–' : percentText(slice.share));
  if (options.legend.displayMode === 'table') {
    return (
      <div class="pie-legend" style={style}>
        <table class="pie-table">
          <thead>
            <tr>
              <th scope="col">{english.name}</th>
              {withValue && <th scope="col">{english.value}</th>}
              {withPercent && <th scope="col">{english.percent}</th>}
            </tr>
          </thead>
          <tbody>
            {inLegend.map((slice) => (
              <tr key={slice.key}>
                <td>{item(slice)}</td>
                {withValue && <td class="number">{displayText(slice.value.display)}</td>}
                {withPercent && <td class="number">{percent(slice)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
        {left > 0 && <p class="muted">{english.moreNotShown(left)}</p>}
      </div>
    );
  }
  return (
    <div class="pie-legend" style={style}>
      <ul class={options.legend.placement === 'right' ? 'pie-list pie-list-right' : 'pie-list'}>
        {inLegend.map((slice) => (
          <li key={slice.key}>
            {item(slice)}
            {withValue && <b>{displayText(slice.value.display)}</b>}
            {withPercent && <span class="muted number">{percent(slice)}</span>}
          </li>
        ))}
      </ul>
      {left > 0 && <p class="muted">{english.moreNotShown(left)}</p>}
    </div>
  );
}

const isHiddenFromLegend = (value: ShownValue): boolean => (value.field?.config.custom?.['hideFrom'] as { legend?: boolean } | undefined)?.legend === true;

export const kind: PanelKind = {
  id: 'piechart',
  name: english.pieChart,
  Component: PieChart,
  options: OPTIONS,
  field: { color: { mode: 'palette-classic' } },
  data: true,
  editor: [
    ...REDUCTION_EDITOR,
    { path: 'options.pieType', name: english.shape, group: english.look, kind: 'choice', choices: choices(['pie', 'donut']) },
    { path: 'options.sort', name: english.order, group: english.look, kind: 'choice', choices: [{ value: 'desc', text: english.largestFirst }, { value: 'asc', text: english.smallestFirst }, { value: 'none', text: english.asItComes }] },
    { path: 'options.displayLabels', name: english.labels, group: english.look, kind: 'choices', choices: choices(['name', 'value', 'percent']) },
    { path: 'options.legend.showLegend', name: english.legend, group: english.legend, kind: 'switch' },
    { path: 'options.legend.displayMode', name: english.legendAs, group: english.legend, kind: 'choice', choices: choices(['list', 'table']) },
    { path: 'options.legend.placement', name: english.place, group: english.legend, kind: 'choice', choices: choices(['bottom', 'right']) },
    { path: 'options.legend.values', name: english.values, group: english.legend, kind: 'choices', choices: choices(['value', 'percent']) },
    { path: 'options.tooltip.mode', name: english.tooltip, group: english.tooltip, kind: 'choice', choices: choices(['single', 'multi', 'none']) },
  ],
};
