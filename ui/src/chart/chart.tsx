/** uPlot behind a component: lines or stacked areas over time, a readout under the cursor, drag to zoom. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import * as english from '../english/chart.ts';
import { clock, moment, timeTicks } from '../format/time.ts';
import { quantity, ticks, type Unit } from '../format/units.ts';
import type { Span } from '../state/range.ts';
import { useTheme } from '../state/theme.ts';
import { stack, type Line } from './data.ts';

export interface ChartProps {
  label: string;
  times: readonly number[];
  lines: readonly Line[];
  span: Span;
  unit: Unit;
  height: number;
  stacked?: boolean;
  /** The axis reaches at least from `min` to `max`. */
  min?: number;
  max?: number;
  hidden?: ReadonlySet<string>;
  /** Charts with the same key share the cursor. */
  sync?: string;
  onZoom?: (span: Span) => void;
}

/** Up to here single samples are marked, so that the first minute of data is seen at all. */
const POINTS_UP_TO = 48;
const READOUT_ROWS = 12;

interface Hover {
  index: number;
  left: number;
  top: number;
  width: number;
}

/** What a CSS colour such as `var(--line)` comes to on this page, for the canvas. */
function resolver(host: HTMLElement): (color: string, alpha?: number) => string {
  const probe = document.createElement('span');
  probe.hidden = true;
  host.append(probe);
  const known = new Map<string, string>();
  return (color, alpha) => {
    let value = known.get(color);
    if (value === undefined) {
      probe.style.color = color;
      value = getComputedStyle(probe).color;
      known.set(color, value);
    }
    if (alpha === undefined) return value;
    return value.startsWith('rgb(') && value.includes(',')
      ? value.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`)
      : value.replace(/\)$/, ` / ${alpha})`);
  };
}

/** Steps of an axis that read well in a unit that does not count in tens. */
const INCREMENTS: Partial<Record<Unit, number[]>> = {
  bytes: Array.from({ length: 61 }, (_, power) => 2 ** power),
  'bytes/s': Array.from({ length: 61 }, (_, power) => 2 ** power),
  seconds: [
    ...Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** (power - 9))).flat(),
    ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200],
    ...Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((digit) => digit * 86_400 * 10 ** power)).flat(),
  ],
};

export function Chart(props: ChartProps): preact.JSX.Element {
  const { times, lines, span, unit, height, stacked = false, hidden, sync } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const { dark } = useTheme();
  const [hover, setHover] = useState<Hover | undefined>(undefined);

  const shown = useMemo(() => lines.filter((line) => !hidden?.has(line.name)), [lines, hidden]);
  const data = useMemo((): uPlot.AlignedData => {
    const values = shown.map((line) => (line.mirrored ? line.values.map((value) => (value === null ? null : -value)) : line.values));
    if (!stacked) return [[...times], ...values];
    // The topmost area is drawn first, so that those below lie over it.
    const areas = shown.flatMap((line, index) => (line.reference ? [] : [index]));
    const sums = stack(areas.map((index) => values[index]!));
    const drawn = [...values];
    areas.forEach((index, order) => (drawn[index] = sums[order]!));
    return [[...times], ...drawn.reverse()];
  }, [shown, times, stacked]);

  const marked = shown.every((line) => line.values.reduce<number>((count, value) => (value === null ? count : count + 1), 0) <= POINTS_UP_TO);
  const structure = [dark, unit, stacked, sync, marked, ...shown.map((line) => `${line.name}\u0000${line.color}${line.mirrored}${line.reference}`)].join('\u0001');

  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const resolve = resolver(element);
    const order = stacked ? [...shown].reverse() : shown;
    const filled = shown.length === 1 || shown.some((line) => line.mirrored);
    const axis = { stroke: resolve('var(--muted)'), font: `11px ${getComputedStyle(element).fontFamily}`, grid: { stroke: resolve('var(--grid)'), width: 1 } };
    const options: uPlot.Options = {
      width: Math.max(80, element.clientWidth),
      height,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7, width: 1.5 },
        drag: { x: true, y: false, setScale: false },
        ...(sync === undefined ? {} : { sync: { key: sync, setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } } }),
      },
      scales: {
        x: { time: false, range: () => [latest.current.span.from, latest.current.span.to] },
        y: {
          range: (_, low, high) => {
            const { min, max } = latest.current;
            const from = Math.min(min ?? Infinity, low ?? 0);
            const to = Math.max(max ?? -Infinity, high ?? 1);
            // Rates of a full machine come to a little over the whole: that is no reason for a taller axis.
            if (max !== undefined && to <= max * 1.03 && from >= (min ?? 0)) return [min ?? 0, max];
            const fitted = uPlot.rangeNum(from, to > from ? to : from + (Math.abs(from) || 1), 0.1, true);
            return [min !== undefined && from >= min ? min : (fitted[0] ?? from), fitted[1] ?? to];
          },
        },
      },
      axes: [
        {
          ...axis,
          space: 70,
          size: 30,
          gap: 8,
          ticks: { show: false },
          grid: { show: false },
          incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_419_200, 7_776_000, 31_536_000],
          splits: (_, __, from, to, increment) => {
            // Ticks on whole hours and days of the browser's time zone.
            const zone = -new Date(from * 1000).getTimezoneOffset() * 60;
            const first = Math.ceil((from + zone) / increment) * increment - zone;
            const splits: number[] = [];
            const margin = (to - from) * 0.02;
            for (let at = first; at <= to - margin; at += increment) if (at >= from + margin) splits.push(at);
            return splits;
          },
          values: (_, splits, __, ___, increment) => timeTicks(splits, increment),
        },
        {
          ...axis,
          size: 62,
          gap: 6,
          space: 32,
          ticks: { show: false },
          ...(INCREMENTS[unit] ? { incrs: INCREMENTS[unit] } : {}),
          values: (_, splits) => ticks(latest.current.lines.some((line) => line.mirrored) ? splits.map(Math.abs) : splits, unit),
        },
      ],
      series: [
        {},
        ...order.map((line): uPlot.Series => ({
          label: line.name,
          stroke: resolve(line.color),
          width: line.reference ? 1 : stacked ? 0 : 1.5,
          ...(line.reference ? { dash: [4, 4] } : stacked ? { fill: resolve(line.color, 0.85) } : filled ? { fill: resolve(line.color, 0.12), fillTo: 0 } : {}),
          points: { show: marked && !line.reference, size: 4, stroke: resolve(line.color), fill: resolve(line.color) },
        })),
      ],
      hooks: {
        setCursor: [
          (u) => {
            const { idx, left = -1, top = -1 } = u.cursor;
            // Charts that only follow another one's cursor show the line, not the readout.
            const mine = u.over.matches(':hover');
            setHover((last) => {
              if (idx === null || idx === undefined || left < 0 || !mine) return undefined;
              return last && last.index === idx && Math.abs(last.top - top) < 4 ? last : { index: idx, left: u.valToPos(u.data[0][idx] ?? 0, 'x') + u.over.offsetLeft, top, width: u.width };
            });
          },
        ],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const zoomed = { from: u.posToVal(u.select.left, 'x'), to: u.posToVal(u.select.left + u.select.width, 'x') };
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.onZoom?.(zoomed);
          },
        ],
      },
    };
    // A stacked area reaches down to the next one, so that translucent areas do not mix.
    if (stacked) {
      const areas = order.flatMap((line, index) => (line.reference ? [] : [index + 1]));
      options.bands = areas.slice(0, -1).map((index, at) => ({ series: [index, areas[at + 1]!] as [number, number] }));
    }
    const created = new uPlot(options, data, element);
    plot.current = created;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== created.width) created.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
      element.replaceChildren();
      setHover(undefined);
    };
  }, [structure, height]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data, span.from, span.to, props.min, props.max]);

  return (
    <div class="chart" role="img" aria-label={props.label}>
      <div class="chart-canvas" ref={host} style={{ height: `${height}px` }} />
      {hover && <Readout hover={hover} lines={shown} time={times[hover.index]} unit={unit} sorted={!stacked} />}
    </div>
  );
}

function Readout({ hover, lines, time, unit, sorted }: { hover: Hover; lines: readonly Line[]; time: number | undefined; unit: Unit; sorted: boolean }): preact.JSX.Element | null {
  if (time === undefined) return null;
  const rows = lines.map((line) => ({ line, value: line.values[hover.index] ?? null })).filter((row) => row.value !== null);
  if (sorted) rows.sort((a, b) => b.value! - a.value!);
  else rows.reverse();
  const left = hover.left < hover.width / 2;
  return (
    <div
      class="readout"
      style={left ? { left: `${hover.left + 14}px` } : { right: `${hover.width - hover.left + 14}px` }}
      aria-hidden="true"
    >
      <div class="readout-time" title={moment(time)}>
        {Date.now() / 1000 - time > 64_800 ? moment(time) : clock(time)}
      </div>
      {rows.slice(0, READOUT_ROWS).map(({ line, value }) => {
        const { value: number, unit: suffix } = quantity(value!, unit);
        return (
          <div class="readout-row" key={line.name}>
            <i class="swatch" style={{ background: line.color }} />
            <span class="readout-name">{line.name}</span>
            <b>{number}</b>
            <span class="unit">{suffix}</span>
          </div>
        );
      })}
      {rows.length > READOUT_ROWS && <div class="muted">{english.andMore(rows.length - READOUT_ROWS)}</div>}
      {rows.length === 0 && <div class="muted">{english.noSampleHere}</div>}
    </div>
  );
}
