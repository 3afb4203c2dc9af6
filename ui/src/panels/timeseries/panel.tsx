/** Series over time, or over numbers: lines, areas, bars and points. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import { fieldName } from '../../fields/names.ts';
import type { PanelProps, ReadyLink } from '../panel.ts';
import { isGap } from '../plot/align.ts';
import { AnnotationMarks } from '../plot/annotations.tsx';
import { fieldFormat } from '../plot/custom.ts';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendIn, type LegendItem } from '../plot/legend.tsx';
import { Plot } from '../plot/plot.tsx';
import { Readout, READOUT_ROWS, type ReadoutContent, type ReadoutRow } from '../plot/readout.tsx';
import { exactTime } from '../plot/zone.ts';
import { spanOf, zoomedOut } from '../plot/zoom.ts';
import { exemplarAt } from './exemplars.ts';
import { seriesOptions, type CustomPaint, type Scene } from './options.ts';
import { prepare, stacked, type Across, type Exemplar, type Line } from './series.ts';

export interface TooltipOptions {
  mode?: 'single' | 'multi' | 'none';
  sort?: 'none' | 'asc' | 'desc';
  hideZeros?: boolean;
}

export const tooltipIn = (options: Record<string, unknown>): TooltipOptions => (options['tooltip'] ?? {}) as TooltipOptions;

/** The last value that is there, as text. */
function lastText({ field, values }: Line): string {
  for (let row = values.length - 1; row >= 0; row -= 1) {
    const value = values[row];
    if (!isGap(value)) return field.display ? displayText(field.display(value)) : String(value);
  }
  return english.noValue;
}

const SPOKEN_LINES = 5;

/** What a plot of lines says in words: its title and how its lines end. */
export function spoken(title: string, lines: readonly Line[]): string {
  const named = lines.slice(0, SPOKEN_LINES).map((line) => `${line.name} ${lastText(line)}`);
  const rest = lines.length - named.length;
  return `${title || 'Graph'}: ${named.join(', ')}${rest > 0 ? english.andMoreBars(rest) : ''}`;
}

export function omittedNote(drawn: number, omitted: number): string | undefined {
  return omitted > 0 ? english.onlyLargest(drawn.toLocaleString('en'), (drawn + omitted).toLocaleString('en')) : undefined;
}

interface SeriesPanelProps extends PanelProps {
  across?: Across;
  paint?: CustomPaint | undefined;
}

export function SeriesPanel(props: SeriesPanelProps): JSX.Element {
  const { panel, frames, annotations, span, width, height, timeZone, across, onZoom } = props;
  const overTime = across === undefined || across.kind === 'time';
  const xName = across?.kind === 'number' ? across.field : undefined;
  const prepared = useMemo(() => prepare(frames, across), [frames, overTime, xName]);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const lines = useMemo(() => stacked(prepared.lines, hidden), [prepared, hidden]);
  const [hover] = useState(hoverStore);
  const tooltip = tooltipIn(panel.options);

  const xField = useMemo(() => {
    if (overTime) return undefined;
    for (const frame of frames) for (const field of frame.fields) if (field.type === 'number' && (xName === undefined || field.name === xName || fieldName(field, frame, frames) === xName)) return { field, name: fieldName(field, frame, frames) };
    return undefined;
  }, [frames, overTime, xName]);
  const xFormat = xField && fieldFormat(xField.field.config, timeZone);

  const scene = useRef<Scene>(undefined as unknown as Scene);
  const used = useMemo(() => new Set(lines.map((line) => line.scale)), [lines]);
  const scales = useMemo(() => prepared.scales.filter((scale) => used.has(scale.key)), [prepared, used]);
  scene.current = {
    lines,
    scales,
    exemplars: prepared.exemplars,
    annotations,
    x: overTime ? { min: span.from * 1000, max: span.to * 1000 } : undefined,
    timeZone,
    xFormat,
    xUnit: xField?.field.config.unit,
    xLabel: xField?.field.config.custom?.['axisLabel'] as string | undefined,
    paint: props.paint,
  };
  const data = useMemo((): uPlot.AlignedData => [prepared.x, ...lines.map((line) => line.top)] as uPlot.AlignedData, [prepared, lines]);
  const structure = useMemo(
    () =>
      JSON.stringify([
        overTime,
        lines.map((line) => line.scale),
        xField?.name,
        scales.map(({ key, side, custom, unit }) => [key, side, unit, custom.axisLabel, custom.axisWidth, custom.axisGridShow, custom.axisBorderShow, custom.axisColorMode]),
      ]),
    [lines, scales, overTime, xField],
  );
  const items = useMemo(
    () =>
      prepared.lines
        .filter((line) => !line.hide.legend && !line.hide.viz)
        .map(
          (line): LegendItem => ({
            key: line.key,
            name: line.name,
            color: line.color,
            field: line.field,
            dashed: line.compared || (line.custom.lineStyle?.fill !== undefined && line.custom.lineStyle.fill !== 'solid'),
            right: prepared.scales.find((scale) => scale.key === line.scale)?.side === 'right',
          }),
        ),
    [prepared],
  );
  if (prepared.missing) return <MissingData missing={prepared.missing} noValue={panel.fieldConfig?.defaults?.noValue} />;

  const content = (at: Hover): ReadoutContent | undefined => {
    const u = at.plot;
    if (tooltip.mode === 'none') return undefined;
    const x = prepared.x[at.row];
    if (x === undefined) return undefined;
    const found: { line: Line; row: number; value: number; distance: number }[] = [];
    lines.forEach((line, index) => {
      if (line.hide.tooltip) return;
      const row = at.rows[index + 1] ?? undefined;
      const value = row === undefined ? undefined : line.values[row];
      if (row === undefined || isGap(value)) return;
      if (tooltip.hideZeros && value === 0) return;
      found.push({ line, row, value, distance: Math.abs(u.valToPos(line.top[row] ?? 0, line.scale) - at.top) });
    });
    const near = found.reduce<(typeof found)[number] | undefined>((best, one) => (best === undefined || one.distance < best.distance ? one : best), undefined);
    const scale = scales[0];
    const exemplar = at.own && scale ? exemplarAt(u, prepared.exemplars, scale.key, at.left, at.top) : undefined;
    const single = (tooltip.mode ?? 'single') === 'single';
    let shown = single ? (near ? [near] : []) : found;
    if (!single && tooltip.sort === 'asc') shown = [...shown].sort((a, b) => a.value - b.value);
    else if (!single && tooltip.sort === 'desc') shown = [...shown].sort((a, b) => b.value - a.value);
    const total = shown.length;
    if (total > READOUT_ROWS) {
      shown = shown.slice(0, READOUT_ROWS);
      if (near && !shown.includes(near)) shown[READOUT_ROWS - 1] = near;
    }
    const rows = shown.map(
      ({ line, value }): ReadoutRow => ({
        key: line.key,
        name: line.name,
        value: line.field.display ? displayText(line.field.display(value)) : String(value),
        color: line.color,
        near: !single && at.own && line === near?.line,
        dashed: line.compared,
      }),
    );
    const links = near ? linksOf(props, near.line, near.row) : [];
    return {
      title: overTime ? exactTime(single && near ? (prepared.x[near.row] ?? x) : x, timeZone) : `${xField?.name ?? 'x'}: ${xField?.field.display ? displayText(xField.field.display(x)) : x}`,
      rows,
      more: total - rows.length,
      links,
      note: exemplar ? <ExemplarNote exemplar={exemplar} timeZone={timeZone} /> : total === 0 ? <div class="muted">{english.noValueHere}</div> : undefined,
    };
  };

  return (
    <PlotLayout width={width} height={height} legend={legendIn(panel.options)} items={items} hidden={hidden} onHide={setHidden} onOptions={props.onOptions} note={omittedNote(prepared.lines.length, prepared.omitted) ?? (prepared.blank ? english.allValuesEmpty : undefined)}>
      <Plot
        label={spoken(panel.title, lines)}
        structure={structure}
        options={(colors) => seriesOptions(() => scene.current, colors, overTime)}
        data={data}
        hover={hover}
        redraw={[span.from, span.to, annotations, timeZone]}
        sync={overTime ? props.sync : undefined}
        syncReadout={props.syncReadout}
        onSelect={overTime && onZoom ? (from, to) => onZoom(spanOf(from, to)) : undefined}
        onDoubleClick={overTime && onZoom ? () => onZoom(zoomedOut(span)) : undefined}
      >
        {(frame) => (overTime && annotations.length > 0 ? <AnnotationMarks annotations={annotations} frame={frame} timeZone={timeZone} /> : null)}
      </Plot>
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

function linksOf(props: PanelProps, { field, frame, name }: Line, row: number): ReadyLink[] {
  if (!field.config.links?.length) return [];
  const value = field.values[row];
  const text = field.display ? displayText(field.display(value)) : String(value);
  const time = frame.fields.find((other) => other.type === 'time')?.values[row];
  return props.links(field.config.links, {
    ...field.state?.scope,
    __field: { name, labels: field.labels ?? {} },
    __series: { name },
    __value: { raw: value, numeric: value, text, time },
  });
}

function ExemplarNote({ exemplar, timeZone }: { exemplar: Exemplar; timeZone: string }): JSX.Element {
  const { labels, time, value, field } = exemplar;
  return (
    <div class="plot-readout-exemplar">
      <div class="muted">{english.exemplarAt(exactTime(time, timeZone))}</div>
      <div>
        <b>{field.display ? displayText(field.display(value)) : value}</b>
      </div>
      {labels.slice(0, 16).map(([name, text]) => (
        <div key={name}>
          <span class="muted">{name}</span> {text}
        </div>
      ))}
    </div>
  );
}
