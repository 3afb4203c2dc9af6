/** One field of numbers over another: points, with size and colour by further fields, and lines between them. */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { cssColor } from '../../fields/color.ts';
import { displayText } from '../../fields/display.ts';
import { fieldName } from '../../fields/names.ts';
import type { Field } from '../../frames/frame.ts';
import type { PanelProps } from '../panel.ts';
import { fieldFormat, customOf, rangeOf } from '../plot/custom.ts';
import { hoverStore, type Hover } from '../plot/hover.ts';
import { MissingData, PlotLayout } from '../plot/layout.tsx';
import { legendIn, type LegendItem } from '../plot/legend.tsx';
import type { Paint } from '../plot/paint.ts';
import { Plot, type PlotOptions } from '../plot/plot.tsx';
import { Readout, type ReadoutContent } from '../plot/readout.tsx';
import { valueRange } from '../plot/value-axis.ts';
import { distributionOf, timeAxis, valueAxis } from '../timeseries/options.ts';
import { tooltipIn } from '../timeseries/panel.tsx';
import { points, type XySeries } from './points.ts';

interface Scene {
  series: readonly XySeries[];
  timeZone: string;
}

const REACH_PX = 24;
const say = (field: Field, value: unknown): string => (field.display ? displayText(field.display(value)) : String(value));

export function XyChartPanel(props: PanelProps): JSX.Element {
  const { panel, frames, width, height, timeZone } = props;
  const { options } = panel;
  const key = JSON.stringify([options['mapping'], options['seriesMapping'], options['dims'], options['series']]);
  const all = useMemo(() => points(frames, options), [frames, key]);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [hover] = useState(hoverStore);
  const series = useMemo(() => all.series.filter((one) => !hidden.has(one.key)), [all, hidden]);
  const scene = useRef<Scene>({ series, timeZone });
  scene.current = { series, timeZone };
  const data = useMemo((): uPlot.AlignedData => {
    const pairs = series.flatMap(({ x, y, rows }) => rows.map((row): [number, number] => [x.values[row] as number, y.values[row] as number]));
    pairs.sort((a, b) => a[0] - b[0]);
    return [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
  }, [series]);
  const items = useMemo(() => all.series.map(({ key: id, name, color, y }): LegendItem => ({ key: id, name, color, field: y })), [all]);
  if (all.missing) return <MissingData missing={all.missing} noValue={panel.fieldConfig?.defaults?.noValue} />;
  const tooltip = tooltipIn(options);

  const content = (at: Hover): ReadoutContent | undefined => {
    if (tooltip.mode === 'none') return undefined;
    let nearest: { series: XySeries; row: number } | undefined;
    let least = REACH_PX;
    for (const one of series)
      one.rows.forEach((row, index) => {
        const dx = at.plot.valToPos(one.x.values[row] as number, 'x') - at.left;
        if (Math.abs(dx) > REACH_PX + one.sizes[index]! / 2) return;
        const distance = Math.max(0, Math.hypot(dx, at.plot.valToPos(one.y.values[row] as number, 'y') - at.top) - one.sizes[index]! / 2);
        if (distance < least) [nearest, least] = [{ series: one, row }, distance];
      });
    if (!nearest) return undefined;
    const { series: one, row } = nearest;
    const color = one.colorField?.display?.(one.colorField.values[row]).color ?? one.color;
    const others = one.frame.fields.filter((field) => field !== one.x && field !== one.y && field.type !== 'other' && !customOf(field).hideFrom?.tooltip);
    const entry = (field: Field, mark?: string): ReadoutContent['rows'][number] => ({ key: field.name, name: fieldName(field, one.frame, frames), value: say(field, field.values[row]), color: mark });
    return {
      title: one.name,
      rows: [entry(one.x), entry(one.y, color), ...others.slice(0, 12).map((field) => entry(field))],
      links: one.y.config.links?.length ? props.links(one.y.config.links, { ...one.y.state?.scope, __field: { name: one.name, labels: one.y.labels ?? {} }, __series: { name: one.name }, __value: { raw: one.y.values[row], numeric: one.y.values[row], text: say(one.y, one.y.values[row]) } }) : [],
    };
  };
  const x = all.series[0]!.x;
  const y = all.series[0]!.y;
  const label = `${panel.title || english.xyChart}: ${series.map((one) => english.pointsLabel(one.name, one.rows.length)).slice(0, 5).join('; ')}`;
  const structure = JSON.stringify([x.type, x.config.unit, y.config.unit, customOf(x), customOf(y)]);
  return (
    <PlotLayout width={width} height={height} legend={legendIn(options)} items={items} hidden={hidden} onHide={setHidden} onOptions={props.onOptions} note={all.omitted > 0 ? english.pointsLeftOut(all.omitted.toLocaleString('en')) : undefined}>
      <Plot label={label} structure={structure} options={(paint) => xyOptions(() => scene.current, paint, x, y, fieldName(x, all.series[0]!.frame, frames))} data={data} hover={hover} redraw={[options, timeZone]} crosshair="xy" />
      <Readout store={hover} content={content} />
    </PlotLayout>
  );
}

function xyOptions(scene: () => Scene, paint: Paint, x: Field, y: Field, xName: string): PlotOptions {
  const [xCustom, yCustom] = [customOf(x), customOf(y)];
  const overTime = x.type === 'time';
  const format = (field: Field) => (): ReturnType<typeof fieldFormat> => fieldFormat(field.config, scene().timeZone);
  const xLabel = xCustom.axisLabel || xName;
  const axes: uPlot.Axis[] = [
    overTime ? timeAxis(paint, () => scene().timeZone) : { ...valueAxis(paint, 'x', format(x), x.config.unit, () => x.config.decimals, { distribution: distributionOf(xCustom) }), size: 24, gap: 4, space: 70, label: xLabel, labelSize: 16, labelGap: 0 },
  ];
  if (yCustom.axisPlacement !== 'hidden')
    axes.push(
      valueAxis(paint, 'y', format(y), y.config.unit, () => y.config.decimals, {
        distribution: distributionOf(yCustom),
        side: yCustom.axisPlacement === 'right' ? 1 : 3,
        ...(yCustom.axisLabel ? { label: yCustom.axisLabel, labelSize: 18, labelGap: 2 } : {}),
        ...(yCustom.axisWidth ? { size: yCustom.axisWidth } : {}),
      }),
    );
  return {
    padding: [10, 14, 0, yCustom.axisPlacement === 'right' ? 10 : 0],
    scales: {
      x: { time: false, ...distributionOf(xCustom), range: (_, low, high) => (overTime ? (high! > low! ? [low, high] : [low! - 1000, high! + 1000]) : valueRange(low, high, rangeOf(x.config, xCustom))) },
      y: { ...distributionOf(yCustom), range: (_, low, high) => valueRange(low, high, rangeOf(y.config, yCustom)) },
    },
    axes,
    series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
    cursor: { points: { show: false }, hover: { prox: null } },
    hooks: { draw: [(u) => drawPoints(u, scene().series, paint)] },
  };
}

function drawPoints(u: uPlot, series: readonly XySeries[], paint: Paint): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const ratio = ctx.canvas.width / u.width || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left - 4, top - 4, width + 8, height + 8);
  ctx.clip();
  for (const { x, y, rows, sizes, custom, color, colorField } of series) {
    const show = custom.show ?? 'points';
    const place = rows.map((row) => [u.valToPos(x.values[row] as number, 'x', true), u.valToPos(y.values[row] as number, 'y', true)] as const);
    if (show !== 'points') {
      ctx.beginPath();
      place.forEach(([a, b], index) => (index === 0 ? ctx.moveTo(a, b) : ctx.lineTo(a, b)));
      ctx.strokeStyle = paint.css(custom.lineColor ? cssColor(custom.lineColor) : color);
      ctx.lineWidth = (custom.lineWidth ?? 2) * ratio;
      const dash = custom.lineStyle?.fill && custom.lineStyle.fill !== 'solid' ? (custom.lineStyle.dash ?? [10, 10]) : [];
      ctx.setLineDash(dash.map((length) => length * ratio));
      ctx.stroke();
      ctx.setLineDash([]);
    }
    if (show === 'lines') continue;
    const opacity = (custom.fillOpacity ?? 50) / 100;
    const byColor = new Map<string, Path2D>();
    place.forEach(([a, b], index) => {
      const own = colorField?.display?.(colorField.values[rows[index]!]).color ?? color;
      let path = byColor.get(own);
      if (!path) byColor.set(own, (path = new Path2D()));
      const radius = (sizes[index]! * ratio) / 2;
      if (custom.pointShape === 'square') path.rect(a - radius, b - radius, 2 * radius, 2 * radius);
      else {
        path.moveTo(a + radius, b);
        path.arc(a, b, radius, 0, 2 * Math.PI);
      }
    });
    const stroke = custom.pointStrokeWidth ?? 1;
    for (const [own, path] of byColor) {
      ctx.fillStyle = paint.css(own, opacity);
      ctx.fill(path);
      if (stroke > 0) {
        ctx.strokeStyle = paint.css(own);
        ctx.lineWidth = stroke * ratio;
        ctx.stroke(path);
      }
    }
  }
  ctx.restore();
}
