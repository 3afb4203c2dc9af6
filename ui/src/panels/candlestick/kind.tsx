import { useMemo } from 'preact/hooks';
import type { JSX } from 'preact';
import type uPlot from 'uplot';
import * as english from '../../english/panels.ts';
import { cssColor } from '../../fields/color.ts';
import { fieldName } from '../../fields/names.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { barWidth, geometry } from '../plot/draw.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, LINE_CUSTOM, TOOLTIP_EDITOR } from '../plot/editor.ts';
import { MissingData } from '../plot/layout.tsx';
import type { Paint } from '../plot/paint.ts';
import { SeriesPanel } from '../timeseries/panel.tsx';
import type { Line } from '../timeseries/series.ts';
import { candles, NO_CANDLES, PARTS, type CandleOptions, type Candles, type Part } from './candles.ts';

function CandlestickPanel(props: PanelProps): JSX.Element {
  const options = props.panel.options as CandleOptions;
  const found = useMemo(() => candles(props.frames, options), [props.frames, JSON.stringify(options)]);
  const paint = useMemo(() => found && painterOf(found, options), [found, JSON.stringify(options)]);
  if (!found) return <MissingData missing={NO_CANDLES} />;
  return <SeriesPanel {...props} frames={found.frames} paint={paint} />;
}

function painterOf({ fields, frames }: Candles, options: CandleOptions): (u: uPlot, paint: Paint, lines: readonly Line[]) => readonly Line[] {
  const partOf = new Map(PARTS.map((part): [string, Part] => [fieldName(fields[part], frames[0], frames), part]));
  const { up = 'green', down = 'red', flat = 'gray' } = options.colors ?? {};
  let of: readonly Line[] | undefined;
  let rest: readonly Line[] = [];
  return (u, paint, lines) => {
    if (of !== lines) [of, rest] = [lines, lines.filter((line) => !partOf.has(line.name))];
    const part = new Map(lines.flatMap((line): [Part, Line][] => (partOf.has(line.name) ? [[partOf.get(line.name)!, line]] : [])));
    const [open, high, low, close] = PARTS.map((name) => part.get(name));
    const area = close && geometry(u, close.scale);
    if (!open || !high || !low || !close || !area || options.mode === 'volume') return rest;
    const { ctx } = u;
    const x = u.data[0] as readonly number[];
    const wide = barWidth(x, close.values, area, { align: 0, factor: 0.6, most: 40 });
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.lineWidth = Math.max(1, area.ratio);
    let before: number | undefined;
    for (let row = area.first; row <= area.last; row += 1) {
      const [o, h, l, c] = [open.values[row], high.values[row], low.values[row], close.values[row]];
      if (typeof o !== 'number' || typeof h !== 'number' || typeof l !== 'number' || typeof c !== 'number') continue;
      const against = options.colorStrategy === 'close-close' ? (before ?? o) : o;
      before = c;
      const color = paint.css(cssColor(c > against ? up : c < against ? down : flat));
      ctx.strokeStyle = ctx.fillStyle = color;
      const at = Math.round(area.px(x[row]!)) + 0.5;
      const [top, bottom] = [area.py(Math.max(o, c)), area.py(Math.min(o, c))];
      ctx.beginPath();
      if (options.candleStyle === 'ohlcbars') {
        ctx.moveTo(at, area.py(h));
        ctx.lineTo(at, area.py(l));
        ctx.moveTo(at - wide / 2, area.py(o));
        ctx.lineTo(at, area.py(o));
        ctx.moveTo(at, area.py(c));
        ctx.lineTo(at + wide / 2, area.py(c));
      } else {
        ctx.moveTo(at, area.py(h));
        ctx.lineTo(at, top);
        ctx.moveTo(at, bottom);
        ctx.lineTo(at, area.py(l));
        // Rising candles are hollow, so that they are told apart without their colours.
        const height = Math.max(1, bottom - top);
        if (c > o) ctx.rect(at - wide / 2, top, wide, height);
        else ctx.fillRect(at - wide / 2, top, wide, height);
      }
      ctx.stroke();
    }
    ctx.restore();
    return rest;
  };
}

/** Prices or other ranges over time. */
export const kind: PanelKind = {
  id: 'candlestick',
  name: english.candlestick,
  Component: CandlestickPanel,
  options: { mode: 'candles+volume', candleStyle: 'candles', colorStrategy: 'open-close', colors: { up: 'green', down: 'red' }, fields: {}, includeAllFields: false, legend: LEGEND_OPTIONS, tooltip: { mode: 'multi', sort: 'none', hideZeros: false } },
  field: { color: { mode: 'palette-classic' }, custom: LINE_CUSTOM },
  data: true,
  editor: [
    { path: 'options.mode', name: english.show, group: english.candles, kind: 'choice', choices: [{ value: 'candles+volume', text: english.candlesAndVolume }, { value: 'candles', text: english.candles }, { value: 'volume', text: english.volume }] },
    { path: 'options.candleStyle', name: english.style, group: english.candles, kind: 'choice', choices: [{ value: 'candles', text: english.candles }, { value: 'ohlcbars', text: english.bars }] },
    { path: 'options.colorStrategy', name: english.risingMeans, group: english.candles, kind: 'choice', choices: [{ value: 'open-close', text: english.sinceItsOpening }, { value: 'close-close', text: english.sinceLastClosing }] },
    { path: 'options.colors.up', name: english.rising, group: english.candles, kind: 'color' },
    { path: 'options.colors.down', name: english.falling, group: english.candles, kind: 'color' },
    ...(['open', 'high', 'low', 'close', 'volume'] as const).map((part) => ({ path: `options.fields.${part}`, name: english.fromField(part[0]!.toUpperCase(), part.slice(1)), group: english.fields, kind: 'text' as const })),
    { path: 'options.includeAllFields', name: english.otherFieldsAsLines, group: english.fields, kind: 'switch' },
    ...AXIS_EDITOR,
    ...LEGEND_EDITOR,
    ...TOOLTIP_EDITOR,
  ],
};
