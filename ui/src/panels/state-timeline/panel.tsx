/** Lanes of states over time: merged stretches, or one cell a sample. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import { duration } from '../../format/time.ts';
import type { PanelProps } from '../panel.ts';
import { AnnotationMarks, drawAnnotations } from '../plot/annotations.tsx';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendIn, type LegendItem } from '../plot/legend.tsx';
import { isPale, type Paint } from '../plot/paint.ts';
import { Plot, type PlotOptions } from '../plot/plot.tsx';
import { Readout, type ReadoutContent } from '../plot/readout.tsx';
import { exactTime } from '../plot/zone.ts';
import { spanOf, zoomedOut } from '../plot/zoom.ts';
import { axisLook, textWidth, timeAxis } from '../timeseries/options.ts';
import { tooltipIn } from '../timeseries/panel.tsx';
import { cellAt, distinctStates, states, type Lane } from './states.ts';

interface StatesPanelProps extends PanelProps {
  /** One cell a sample. */
  samples: boolean;
}

interface Scene {
  lanes: readonly Lane[];
  hidden: ReadonlySet<string>;
  props: StatesPanelProps;
}

/** A legend of more states than these says nothing. */
const MOST_STATES = 40;
const LEAST_LANE_PX = 14;

/** A text that fits into a width, cut with an ellipsis. */
export function fitted(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(`${text.slice(0, middle)}…`) <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? '' : `${text.slice(0, low)}…`;
}

export function StatesPanel(props: StatesPanelProps): JSX.Element {
  const { panel, frames, span, width, height, timeZone, annotations, samples, onZoom } = props;
  const { options } = panel;
  const merge = options['mergeValues'] !== false;
  const all = useMemo(() => states(frames, { start: span.from * 1000, end: span.to * 1000, merge, samples }), [frames, span.from, span.to, merge, samples]);
  const perPage = Math.max(1, Math.min(typeof options['perPage'] === 'number' && options['perPage'] > 0 ? options['perPage'] : Infinity, Math.floor(Math.max(60, height - 80) / LEAST_LANE_PX)));
  const pages = Math.max(1, Math.ceil(all.lanes.length / perPage));
  const [chosen, setPage] = useState(0);
  const page = Math.min(chosen, pages - 1);
  const lanes = useMemo(() => all.lanes.slice(page * perPage, (page + 1) * perPage), [all, page, perPage]);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [hover] = useState(hoverStore);
  const scene = useRef<Scene>(undefined as unknown as Scene);
  scene.current = { lanes, hidden, props };
  const data = useMemo((): uPlot.AlignedData => {
    const times = new Set<number>();
    for (const { frame } of lanes) for (const at of frame.fields.find((field) => field.type === 'time')?.values ?? []) if (typeof at === 'number') times.add(at);
    const x = [...times].sort((a, b) => a - b);
    return [x, x.map(() => null)];
  }, [lanes]);
  const items = useMemo(() => {
    const distinct = distinctStates(all.lanes);
    return distinct.length > MOST_STATES ? [] : distinct.map(({ key, text, color }): LegendItem => ({ key, name: text, color }));
  }, [all]);
  const structure = JSON.stringify([lanes.map((lane) => lane.name), width < 300]);
  if (all.missing) return <MissingData missing={all.missing} noValue={panel.fieldConfig?.defaults?.noValue} />;
  const tooltip = tooltipIn(options);

  const content = (at: Hover): ReadoutContent | undefined => {
    if (tooltip.mode === 'none') return undefined;
    const time = at.plot.posToVal(at.left, 'x');
    const under = Math.floor((at.top / at.plot.over.clientHeight) * lanes.length);
    const seen = (lane: Lane): ReturnType<typeof cellAt> => {
      const cell = cellAt(lane.cells, time);
      return cell && hidden.has(`${cell.text}${cell.color}`) ? undefined : cell;
    };
    const lane = lanes[under];
    const cell = lane && seen(lane);
    if (tooltip.mode === 'multi' || !at.own) {
      const rows = lanes.flatMap((one, index) => {
        const found = seen(one);
        return found ? [{ key: one.key, name: one.name, value: found.text, color: found.color, near: at.own && index === under }] : [];
      });
      return { title: exactTime(time, timeZone), rows: rows.slice(0, 20), more: Math.max(0, rows.length - 20), note: rows.length === 0 ? <div class="muted">{english.noStateHere}</div> : undefined };
    }
    if (!lane || !cell) return undefined;
    const shown = displayText(lane.field.display?.(cell.value) ?? { numeric: NaN, text: String(cell.value) });
    const time0 = samples ? (cell.from + cell.to) / 2 : cell.from;
    return {
      title: samples ? exactTime(time0, timeZone) : `${exactTime(cell.from, timeZone)} – ${exactTime(cell.to, timeZone)}`,
      rows: [{ key: lane.key, name: lane.name, value: cell.count === 1 && !samples && shown !== cell.text ? `${cell.text} (${shown})` : cell.text, color: cell.color }],
      note: samples ? undefined : <div class="muted">{english.forAge(duration((cell.to - cell.from) / 1000))}</div>,
      links: lane.field.config.links?.length
        ? props.links(lane.field.config.links, { ...lane.field.state?.scope, __field: { name: lane.name, labels: lane.field.labels ?? {} }, __series: { name: lane.name }, __value: { raw: cell.value, numeric: cell.value, text: shown, time: cell.from } })
        : [],
    };
  };
  const label = `${panel.title || 'States'}: ${lanes
    .slice(0, 5)
    .map((lane) => `${lane.name} ${lane.cells.at(-1)?.text ?? english.noState}`)
    .join(', ')}${all.lanes.length > 5 ? english.andMoreBars(all.lanes.length - 5) : ''}`;
  const note = all.omitted > 0 ? english.onlyFirstLanes(all.lanes.length, all.lanes.length + all.omitted) : undefined;
  return (
    <PlotLayout width={width} height={height} legend={legendIn(options)} items={items} hidden={hidden} onHide={setHidden} note={note}>
      <Plot
        label={label}
        structure={structure}
        options={(paint) => statesOptions(() => scene.current, paint)}
        data={data}
        hover={hover}
        redraw={[span.from, span.to, annotations, timeZone, hidden, options, height]}
        sync={props.sync}
        syncReadout={props.syncReadout}
        onSelect={onZoom ? (from, to) => onZoom(spanOf(from, to)) : undefined}
        onDoubleClick={onZoom ? () => onZoom(zoomedOut(span)) : undefined}
      >
        {(frame) => (annotations.length > 0 ? <AnnotationMarks annotations={annotations} frame={frame} timeZone={timeZone} /> : null)}
      </Plot>
      {pages > 1 && (
        <div class="plot-pages">
          <button type="button" class="link" disabled={page === 0} onClick={() => setPage(page - 1)}>
            {english.earlierRows}
          </button>
          <span class="muted">
            {english.rangeOf(page * perPage + 1, Math.min(all.lanes.length, (page + 1) * perPage), all.lanes.length)}
          </span>
          <button type="button" class="link" disabled={page >= pages - 1} onClick={() => setPage(page + 1)}>
            {english.laterRows}
          </button>
        </div>
      )}
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

function statesOptions(scene: () => Scene, paint: Paint): PlotOptions {
  const measure = (text: string): number => textWidth(paint, [text]);
  return {
    padding: [4, 10, 0, 0],
    scales: {
      x: { time: false, range: () => [scene().props.span.from * 1000, scene().props.span.to * 1000] },
      y: { auto: false, range: () => [0, Math.max(1, scene().lanes.length)] },
    },
    axes: [
      timeAxis(paint, () => scene().props.timeZone),
      {
        ...axisLook(paint),
        scale: 'y',
        grid: { show: false },
        gap: 6,
        size: (u, values) => Math.min(u.width * 0.35, Math.ceil(textWidth(paint, values)) + 12),
        splits: () => scene().lanes.map((_, index, { length }) => length - index - 0.5),
        values: (u, splits) => splits.map((_, index) => fitted(scene().lanes[index]?.name ?? '', u.width * 0.35 - 12, measure)),
      },
    ],
    series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
    cursor: { points: { show: false } },
    hooks: { draw: [(u) => drawStates(u, scene(), paint)] },
  };
}

/** Below this a text would be cut to nothing. */
const LEAST_TEXT_PX = 18;

function drawStates(u: uPlot, { lanes, hidden, props }: Scene, paint: Paint): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = ctx.canvas.width / u.width || 1;
  const { options } = props.panel;
  const laneHeight = height / Math.max(1, lanes.length);
  const part = Math.max(0.1, Math.min(1, typeof options['rowHeight'] === 'number' ? options['rowHeight'] : 0.9));
  const columnPart = props.samples ? Math.max(0.1, Math.min(1, typeof options['colWidth'] === 'number' ? options['colWidth'] : 0.9)) : 1;
  const showValue = options['showValue'] ?? 'auto';
  const align = options['alignValue'] ?? 'left';
  const fontPx = Math.min(12, Math.max(9, (laneHeight * part) / ratio - 4));
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.font = `${fontPx * ratio}px ${paint.font.replace(/^\S+ /, '')}`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  lanes.forEach((lane, index) => {
    const y = Math.round(top + laneHeight * (index + (1 - part) / 2));
    const tall = Math.max(1, Math.round(laneHeight * part));
    const { custom } = { custom: (lane.field.config.custom ?? {}) as { fillOpacity?: number; lineWidth?: number } };
    const opacity = (custom.fillOpacity ?? 70) / 100;
    const line = Math.min(4, custom.lineWidth ?? (props.samples ? 1 : 0)) * ratio;
    let reached = -Infinity;
    for (const cell of lane.cells) {
      if (hidden.has(`${cell.text}${cell.color}`)) continue;
      const full = [u.valToPos(cell.from, 'x', true), u.valToPos(cell.to, 'x', true)] as const;
      const inset = ((full[1] - full[0]) * (1 - columnPart)) / 2;
      const from = Math.max(left, full[0] + inset);
      const to = Math.min(left + width, full[1] - inset);
      // What is narrower than a pixel is drawn once a pixel.
      if (to - reached < 1) continue;
      reached = to;
      const wide = Math.max(1, to - from);
      ctx.fillStyle = paint.css(cell.color, opacity);
      ctx.fillRect(from, y, wide, tall);
      if (line > 0 && wide > 3 * line) {
        ctx.strokeStyle = paint.css(cell.color);
        ctx.lineWidth = line;
        ctx.strokeRect(from + line / 2, y + line / 2, wide - line, tall - line);
      }
      if (showValue === 'never' || tall < 9 * ratio || (wide < LEAST_TEXT_PX * ratio && showValue !== 'always')) continue;
      const room = wide - 8 * ratio;
      const size = ctx.measureText(cell.text).width;
      // Half words in many cells are noise: a text that does not fit is left out, unless it is wanted.
      if (size > room && (showValue !== 'always' || room < 12 * ratio)) {
        if (wide < 60 * ratio) continue;
      }
      const text = size > room ? fitted(cell.text, room, (one) => ctx.measureText(one).width) : cell.text;
      const used = Math.min(size, ctx.measureText(text).width);
      const x = align === 'center' || props.samples ? from + (wide - used) / 2 : align === 'right' ? to - used - 4 * ratio : from + 4 * ratio;
      const ground = paint.rgba(cell.color);
      const under = paint.rgba('var(--surface)');
      const seen = [0, 1, 2].map((channel) => ground[channel as 0]! * opacity + under[channel as 0]! * (1 - opacity)) as [number, number, number];
      ctx.fillStyle = isPale([...seen, 1]) ? '#101317' : '#ffffff';
      ctx.fillText(text, x, y + tall / 2 + ratio * 0.5);
    }
  });
  ctx.restore();
  drawAnnotations(u, props.annotations, paint);
}
