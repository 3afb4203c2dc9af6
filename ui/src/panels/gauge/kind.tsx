/** Values on a dial. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { cssColor } from '../../fields/color.ts';
import { displayText } from '../../fields/display.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { choices, ORIENTATION_EDITOR, REDUCTION_EDITOR, TEXT_SIZE_EDITOR } from '../values/editors.ts';
import { fitSize, textWidth, valueWidth } from '../values/fit.ts';
import { cellsOf, type Orientation } from '../values/layout.ts';
import { Linked } from '../values/linked.tsx';
import { numberOr, withDefaults } from '../values/options.ts';
import { Sparkline } from '../values/sparkline.tsx';
import { Left, NoValues, ValueText } from '../values/value-text.tsx';
import { isNamed, linksOf, portion, readValues, REDUCTION, shown, type ShownValue } from '../values/values.ts';
import { arcPath, DIALS, placeDial, pointAt, stretches, thresholdMarks } from './arc.ts';
import '../values/values.css';
import './gauge.css';

const OPTIONS = {
  reduceOptions: REDUCTION,
  orientation: 'auto' as Orientation,
  shape: 'gauge' as 'gauge' | 'circle',
  barWidthFactor: 0.5,
  barShape: 'flat' as 'flat' | 'rounded',
  segmentCount: 1,
  segmentSpacing: 0.3,
  endpointMarker: 'none' as 'none' | 'point' | 'glow',
  showThresholdMarkers: true,
  showThresholdLabels: false,
  sparkline: true,
  textMode: 'auto' as 'auto' | 'value_and_name' | 'value' | 'name' | 'none',
  sizing: 'auto' as 'auto' | 'manual',
  minVizWidth: 75,
  minVizHeight: 75,
  neutral: undefined as number | undefined,
  text: {} as { titleSize?: number; valueSize?: number },
};
type Options = typeof OPTIONS;

const SMALLEST = 48;
const SMALLEST_NAME = 11;
const MOST_SEGMENTS = 100;

function Gauge(props: PanelProps): JSX.Element {
  const { panel, frames, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const { values, left } = useMemo(() => readValues(props, options.reduceOptions, { trend: options.sparkline === true }), [frames, options, panel.fieldConfig]);
  if (values.length === 0) return <NoValues text={panel.fieldConfig?.defaults?.noValue} />;
  const manual = options.sizing === 'manual';
  const cells = cellsOf(values.length, width, height, {
    orientation: options.orientation,
    auto: 'grid',
    gap: values.length > 1 ? 6 : 0,
    minWidth: manual ? numberOr(options.minVizWidth, SMALLEST) : Math.min(SMALLEST, width),
    minHeight: manual ? numberOr(options.minVizHeight, SMALLEST) : Math.min(SMALLEST, height),
    aspect: 1.15,
  });
  const longest = values.reduce((most, { name }) => Math.max(most, textWidth(name, 100)), 0);
  const nameSize = options.text.titleSize ?? Math.max(SMALLEST_NAME, Math.min(16, cells.height * 0.11, fitSize(longest, cells.width * 0.96, 40, 16)));
  const mode = options.textMode === 'auto' ? (isNamed(values) ? 'value_and_name' : 'value') : options.textMode;
  return (
    <div class="values-panel" data-overflow={cells.overflow || left > 0}>
      <div
        class="values-grid"
        role="list"
        aria-label={panel.title || english.values}
        style={{ 'grid-template-columns': `repeat(${cells.columns}, ${cells.width}px)`, 'grid-auto-rows': `${cells.height}px`, gap: values.length > 1 ? '6px' : '0' }}
      >
        {values.map((value, index) => (
          <div role="listitem" class="value-cell" key={index}>
            <Linked links={linksOf(value, props.links)} class="gauge" title={`${value.name}: ${displayText(value.display)}`}>
              <Dial value={value} options={options} mode={mode} nameSize={nameSize} width={cells.width} height={cells.height} />
            </Linked>
          </div>
        ))}
      </div>
      <Left count={left} />
    </div>
  );
}

function Dial({ value, options, mode, nameSize, width, height }: { value: ShownValue; options: Options; mode: Options['textMode']; nameSize: number; width: number; height: number }): JSX.Element {
  const { display, name, min, max, field } = value;
  const dial = DIALS[options.shape] ?? DIALS.gauge;
  const color = display.color ?? 'var(--series-1)';
  const named = (mode === 'value_and_name' || mode === 'name') && name !== '' && height > 50;
  const nameHeight = named ? nameSize * 1.35 : 0;
  const bounds = { width: Math.max(0, width - 4), height: Math.max(0, height - nameHeight - 4) };
  const labels = options.showThresholdLabels ? thresholdMarks(field?.config.thresholds, min, max) : [];
  const labelRoom = labels.length > 0 && bounds.height > 70 ? Math.min(22, bounds.height * 0.12) : 0;
  const { cx, cy, radius: outer, height: dialHeight } = placeDial(bounds.width - 2 * labelRoom, bounds.height - 2 * labelRoom, options.shape);
  const boxHeight = dialHeight + 2 * labelRoom + 4;
  const ring = options.showThresholdMarkers && field?.config.thresholds ? Math.max(1.5, outer * 0.045) : 0;
  const ringGap = ring > 0 ? Math.max(1, outer * 0.02) : 0;
  const thickness = Math.max(1, outer * (0.1 + 0.32 * Math.min(1, Math.max(0.05, numberOr(options.barWidthFactor, 0.5)))));
  const radius = Math.max(0, outer - ring - ringGap - thickness / 2);
  const x = cx + labelRoom;
  const y = cy + labelRoom;
  const angle = (at: number): number => dial.start + dial.sweep * at;
  const neutral = typeof options.neutral === 'number' ? portion(options.neutral, min, max) : 0;
  const at = portion(display.numeric, min, max);
  const known = !Number.isNaN(display.numeric);
  const inner = Math.max(0, radius - thickness / 2);
  const valueSize = options.text.valueSize ?? fitSize(valueWidth(display, 100), inner * 1.62, inner * 0.72, 120);
  const segments = Math.min(MOST_SEGMENTS, Math.max(1, Math.round(numberOr(options.segmentCount, 1))));
  const cap = options.barShape === 'rounded' && segments === 1 ? 'round' : 'butt';
  const [from, to] = neutral <= at ? [neutral, at] : [at, neutral];
  const graph = options.sparkline && value.trend && inner > 46 ? { width: inner * 1.1, height: inner * 0.3 } : undefined;
  return (
    <>
      <div class="gauge-box" style={{ width: `${width}px`, height: `${boxHeight}px` }}>
        <svg class="gauge-dial" width={width} height={boxHeight} role="img" aria-label={english.gaugeLabel(name, displayText(display), scaleText(field, min), scaleText(field, max))}>
        <g transform="translate(2 2)">
          {split(0, 1, segments, options.segmentSpacing).map(([a, b]) => (
            <path key={`track ${a}`} class="gauge-track" d={arcPath(x, y, radius, angle(a), angle(b))} style={{ 'stroke-width': `${thickness}px`, 'stroke-linecap': cap }} />
          ))}
          {known &&
            split(0, 1, segments, options.segmentSpacing).map(([a, b]) => {
              const [begin, end] = [Math.max(a, from), Math.min(b, to)];
              return end > begin ? <path key={`bar ${a}`} d={arcPath(x, y, radius, angle(begin), angle(end))} style={{ fill: 'none', stroke: color, 'stroke-width': `${thickness}px`, 'stroke-linecap': cap }} /> : null;
            })}
          {known && options.endpointMarker !== 'none' && <EndMark {...pointAt(x, y, radius, angle(at))} radius={thickness * 0.22} />}
          {ring > 0 &&
            stretches(field?.config.thresholds, min, max).map((stretch) => (
              <path key={stretch.from} d={arcPath(x, y, outer - ring / 2, angle(stretch.from), angle(stretch.to))} style={{ fill: 'none', stroke: cssColor(stretch.color), 'stroke-width': `${ring}px` }} />
            ))}
          {labelRoom > 0 &&
            labels.map((label) => {
              const place = pointAt(x, y, outer + 3, angle(label.at));
              const side = place.x < x - 2 ? 'end' : place.x > x + 2 ? 'start' : 'middle';
              return (
                <text key={label.at} class="gauge-label" x={place.x} y={place.y} style={{ 'font-size': `${Math.max(8, labelRoom * 0.5)}px`, 'text-anchor': side }}>
                  {scaleText(field, label.value)}
                </text>
              );
            })}
        </g>
      </svg>
      {mode !== 'name' && mode !== 'none' && valueSize > 0 && (
        <div class="gauge-value" aria-hidden="true" style={{ 'font-size': `${valueSize}px`, left: `${x + 2}px`, top: `${y + 2 + (options.shape === 'gauge' ? outer * 0.06 : 0) - (graph ? graph.height * 0.3 : 0)}px`, color: display.color ?? 'var(--text)' }}>
          <ValueText value={display} />
        </div>
      )}
      {graph && value.trend && (
        <div class="gauge-graph" style={{ left: `${x + 2 - graph.width / 2}px`, top: `${y + 2 + inner * 0.3}px` }}>
          <Sparkline trend={value.trend} width={graph.width} height={graph.height} color={color} />
        </div>
      )}
      </div>
      {named && (
        <div class="gauge-name" style={{ 'font-size': `${nameSize}px`, height: `${nameHeight}px` }}>
          {name}
        </div>
      )}
    </>
  );
}

const EndMark = ({ x, y, radius }: { x: number; y: number; radius: number }): JSX.Element => <circle cx={x} cy={y} r={radius} class="gauge-end" />;

const scaleText = (field: ShownValue['field'], value: number): string => (field ? displayText(shown(field, value)) : String(value));

/** A stretch of the scale cut into segments with gaps between. */
function split(from: number, to: number, segments: number, spacing: number): [number, number][] {
  if (segments <= 1) return [[from, to]];
  const size = (to - from) / segments;
  const gap = size * Math.min(0.9, Math.max(0, numberOr(spacing, 0.3)));
  return Array.from({ length: segments }, (_, index) => [from + size * index + gap / 2, from + size * (index + 1) - gap / 2]);
}

export const kind: PanelKind = {
  id: 'gauge',
  name: english.gauge,
  Component: Gauge,
  options: OPTIONS,
  field: { color: { mode: 'thresholds' } },
  data: true,
  editor: [
    ...REDUCTION_EDITOR,
    ORIENTATION_EDITOR,
    { path: 'options.shape', name: english.shape, group: english.look, kind: 'choice', choices: choices(['gauge', 'circle']) },
    { path: 'options.barWidthFactor', name: english.widthOfBar, group: english.look, kind: 'number', min: 0.1, max: 1, step: 0.1 },
    { path: 'options.barShape', name: english.endsOfBar, group: english.look, kind: 'choice', choices: choices(['flat', 'rounded']) },
    { path: 'options.segmentCount', name: english.segments, group: english.look, kind: 'number', min: 1, max: MOST_SEGMENTS },
    { path: 'options.showThresholdMarkers', name: english.ringOfThresholds, group: english.look, kind: 'switch' },
    { path: 'options.showThresholdLabels', name: english.valuesOfThresholds, group: english.look, kind: 'switch' },
    { path: 'options.sparkline', name: english.graph, group: english.look, kind: 'switch' },
    { path: 'options.textMode', name: english.text, group: english.look, kind: 'choice', choices: choices(['auto', 'value_and_name', 'value', 'name', 'none']) },
    { path: 'options.neutral', name: english.neutralValue, group: english.look, kind: 'number' },
    { path: 'options.sizing', name: english.size, group: english.layout, kind: 'choice', choices: choices(['auto', 'manual']) },
    { path: 'options.minVizWidth', name: english.smallestWidthPx, group: english.layout, kind: 'number', min: 0, max: 600 },
    { path: 'options.minVizHeight', name: english.smallestHeightPx, group: english.layout, kind: 'number', min: 0, max: 600 },
    ...TEXT_SIZE_EDITOR,
  ],
};
