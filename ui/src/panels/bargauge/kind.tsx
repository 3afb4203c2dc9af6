/** Values as bars beside their names. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { choices, ORIENTATION_EDITOR, REDUCTION_EDITOR, TEXT_SIZE_EDITOR } from '../values/editors.ts';
import { fitSize, textWidth, valueWidth } from '../values/fit.ts';
import { cellsOf, type Orientation } from '../values/layout.ts';
import { Linked } from '../values/linked.tsx';
import { numberOr, withDefaults } from '../values/options.ts';
import { Left, NoValues, ValueText } from '../values/value-text.tsx';
import { isNamed, linksOf, readValues, REDUCTION, shown, type ShownValue } from '../values/values.ts';
import { Bar, type BarMode } from './bar.tsx';
import '../values/values.css';

const OPTIONS = {
  reduceOptions: REDUCTION,
  orientation: 'auto' as Orientation,
  displayMode: 'gradient' as BarMode,
  valueMode: 'color' as 'color' | 'text' | 'hidden',
  namePlacement: 'auto' as 'auto' | 'top' | 'left' | 'hidden',
  showUnfilled: true,
  sizing: 'auto' as 'auto' | 'manual',
  minVizWidth: 8,
  minVizHeight: 16,
  maxVizHeight: 300,
  text: {} as { titleSize?: number; valueSize?: number },
};
type Options = typeof OPTIONS;

const GAP = 8;
/** Below this height of a row its name stands before the bar. */
const NAME_ABOVE = 40;

/** Sizes that all bars of a panel share. */
export interface BarLayout {
  vertical: boolean;
  name: 'above' | 'before' | 'below' | 'none';
  nameSize: number;
  nameSpace: number;
  valueSize: number;
  valueSpace: number;
  length: number;
  thickness: number;
}

export function barLayout(cell: { width: number; height: number }, vertical: boolean, values: readonly Pick<ShownValue, 'name' | 'display'>[], options: Pick<Options, 'namePlacement' | 'valueMode' | 'text'>): BarLayout {
  const named = values.some(({ name }) => name !== '');
  const widestName = values.reduce((most, { name }) => Math.max(most, textWidth(name, 100)), 0);
  const widestValue = values.reduce((most, { display }) => Math.max(most, valueWidth(display, 100)), 0);
  const valued = options.valueMode !== 'hidden';
  if (vertical) {
    const name = named && options.namePlacement !== 'hidden' && cell.height > 60 ? 'below' : 'none';
    const nameSize = name === 'none' ? 0 : (options.text.titleSize ?? Math.max(9, Math.min(14, fitSize(widestName, cell.width, 40, 14))));
    const nameSpace = nameSize * 1.4;
    const valueSize = valued ? (options.text.valueSize ?? fitSize(widestValue, cell.width, Math.min(60, cell.height * 0.2), 40)) : 0;
    const valueSpace = valueSize * 1.25;
    return { vertical, name, nameSize, nameSpace, valueSize, valueSpace, length: Math.max(0, cell.height - nameSpace - valueSpace), thickness: Math.max(1, cell.width) };
  }
  const placement = options.namePlacement === 'auto' ? (cell.height > NAME_ABOVE ? 'top' : 'left') : options.namePlacement;
  const name = !named || placement === 'hidden' ? 'none' : placement === 'left' ? 'before' : 'above';
  const nameSize = name === 'none' ? 0 : (options.text.titleSize ?? (name === 'above' ? Math.max(9, Math.min(18, cell.height * 0.3)) : Math.max(8, Math.min(15, cell.height * 0.72))));
  const nameSpace = name === 'above' ? nameSize * 1.4 : name === 'before' ? Math.min(cell.width * 0.4, (widestName * nameSize) / 100 + GAP) : 0;
  const thickness = Math.max(1, cell.height - (name === 'above' ? nameSpace : 0));
  const valueSize = valued ? (options.text.valueSize ?? fitSize(widestValue, cell.width * 0.34, thickness * 0.86, 40, 1.1)) : 0;
  const valueSpace = valued ? (widestValue * valueSize) / 100 + GAP : 0;
  return { vertical, name, nameSize, nameSpace, valueSize, valueSpace, length: Math.max(0, cell.width - valueSpace - (name === 'before' ? nameSpace : 0)), thickness };
}

function BarGauge(props: PanelProps): JSX.Element {
  const { panel, frames, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const { values, left } = useMemo(() => readValues(props, options.reduceOptions), [frames, options, panel.fieldConfig]);
  if (values.length === 0) return <NoValues text={panel.fieldConfig?.defaults?.noValue} />;
  const vertical = options.orientation === 'vertical' || (options.orientation === 'auto' && width > height);
  const manual = options.sizing === 'manual';
  const cells = cellsOf(values.length, width, height, {
    orientation: vertical ? 'vertical' : 'horizontal',
    auto: 'line',
    gap: values.length > 1 ? Math.max(2, Math.min(10, (vertical ? width : height) / values.length / 8)) : 0,
    minWidth: vertical ? (manual ? numberOr(options.minVizWidth, 8) : 8) : 0,
    minHeight: vertical ? 0 : manual ? numberOr(options.minVizHeight, 16) : 16,
    maxHeight: vertical ? Infinity : Math.max(1, numberOr(options.maxVizHeight, 300)),
  });
  const layout = barLayout(cells, vertical, values, isNamed(values) ? options : { ...options, namePlacement: 'hidden' });
  const gap = values.length > 1 ? Math.max(2, Math.min(10, (vertical ? width : height) / values.length / 8)) : 0;
  return (
    <div class="values-panel" data-overflow={cells.overflow || left > 0}>
      <div
        class="values-grid"
        role="list"
        aria-label={panel.title || english.values}
        style={{ 'grid-template-columns': `repeat(${cells.columns}, ${cells.width}px)`, 'grid-auto-rows': `${cells.height}px`, gap: `${gap}px` }}
      >
        {values.map((value, index) => (
          <div role="listitem" class="value-cell" key={index}>
            <Linked links={linksOf(value, props.links)} class={`bargauge bargauge-name-${layout.name}`} title={`${value.name}: ${displayText(value.display)}`}>
              <Row value={value} layout={layout} options={options} />
            </Linked>
          </div>
        ))}
      </div>
      <Left count={left} />
    </div>
  );
}

function Row({ value, layout, options }: { value: ShownValue; layout: BarLayout; options: Options }): JSX.Element {
  const { display, name, field, min, max } = value;
  const mode = field?.config.color?.mode;
  const nameBox = layout.name === 'before' ? { width: `${layout.nameSpace}px` } : { height: `${layout.nameSpace}px` };
  return (
    <>
      {layout.name === 'none' ? (
        <span class="hidden">{name}: </span>
      ) : (
        <div class="bargauge-name" style={{ 'font-size': `${layout.nameSize}px`, ...nameBox }}>
          {name}
        </div>
      )}
      <div class={layout.vertical ? 'bargauge-pair bargauge-pair-vertical' : 'bargauge-pair'}>
        <Bar
          mode={options.displayMode}
          display={display}
          min={min}
          max={max}
          thresholds={field?.config.thresholds}
          byThresholds={mode === undefined || mode === 'thresholds' || mode.startsWith('continuous')}
          colorAt={field ? (number) => shown(field, number).color : undefined}
          vertical={layout.vertical}
          length={layout.length}
          thickness={layout.thickness}
          unfilled={options.showUnfilled}
        />
        {layout.valueSize > 0 && (
          <div
            class="bargauge-value"
            style={{ 'font-size': `${layout.valueSize}px`, color: options.valueMode === 'color' ? (display.color ?? 'var(--text)') : 'var(--text)', ...(layout.vertical ? { height: `${layout.valueSpace}px` } : { width: `${layout.valueSpace}px` }) }}
          >
            <ValueText value={display} />
          </div>
        )}
      </div>
    </>
  );
}

export const kind: PanelKind = {
  id: 'bargauge',
  name: english.barGauge,
  Component: BarGauge,
  options: OPTIONS,
  field: { color: { mode: 'thresholds' } },
  data: true,
  editor: [
    ...REDUCTION_EDITOR,
    ORIENTATION_EDITOR,
    { path: 'options.displayMode', name: english.bars, group: english.look, kind: 'choice', choices: choices(['gradient', 'lcd', 'basic']) },
    { path: 'options.valueMode', name: english.values, group: english.look, kind: 'choice', choices: choices(['color', 'text', 'hidden']) },
    { path: 'options.namePlacement', name: english.names, group: english.look, kind: 'choice', choices: choices(['auto', 'top', 'left', 'hidden']) },
    { path: 'options.showUnfilled', name: english.showUnfilledPart, group: english.look, kind: 'switch' },
    { path: 'options.sizing', name: english.size, group: english.layout, kind: 'choice', choices: choices(['auto', 'manual']) },
    { path: 'options.minVizWidth', name: english.smallestWidthPx, group: english.layout, kind: 'number', min: 0, max: 300 },
    { path: 'options.minVizHeight', name: english.smallestHeightPx, group: english.layout, kind: 'number', min: 0, max: 300 },
    { path: 'options.maxVizHeight', name: english.largestHeightPx, group: english.layout, kind: 'number', min: 0, max: 300 },
    ...TEXT_SIZE_EDITOR,
  ],
};
