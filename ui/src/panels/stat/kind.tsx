/** One value, or a few, as large as the space allows. */
import type { JSX } from 'preact';
import { inkOf } from '../../fields/color.ts';
import { useMemo } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { displayText } from '../../fields/display.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { choices, ORIENTATION_EDITOR, REDUCTION_EDITOR, TEXT_SIZE_EDITOR } from '../values/editors.ts';
import { cellsOf, type Orientation } from '../values/layout.ts';
import { Linked } from '../values/linked.tsx';
import { withDefaults } from '../values/options.ts';
import { Sparkline } from '../values/sparkline.tsx';
import { Left, NoValues, ValueText } from '../values/value-text.tsx';
import { isNamed, linksOf, readValues, REDUCTION, type ShownValue } from '../values/values.ts';
import { changeText, statLayout, type StatLayout } from './layout.ts';
import '../values/values.css';

const OPTIONS = {
  reduceOptions: REDUCTION,
  orientation: 'auto' as Orientation,
  textMode: 'auto' as 'auto' | 'value' | 'value_and_name' | 'name' | 'none',
  colorMode: 'value' as 'value' | 'background' | 'background_solid' | 'none',
  graphMode: 'area' as 'none' | 'line' | 'area',
  justifyMode: 'auto' as 'auto' | 'center',
  showPercentChange: false,
  percentChangeColorMode: 'standard' as 'standard' | 'inverted' | 'same_as_value',
  wideLayout: true,
  text: {} as { titleSize?: number; valueSize?: number; percentSize?: number },
};
type Options = typeof OPTIONS;

const SMALLEST_CELL = { minWidth: 56, minHeight: 26 };

function Stat(props: PanelProps): JSX.Element {
  const { panel, frames, width, height } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const graph = options.graphMode !== 'none';
  const { values, left } = useMemo(
    () => readValues(props, options.reduceOptions, { trend: graph, change: options.showPercentChange && options.reduceOptions.values !== true }),
    [frames, options, panel.fieldConfig],
  );
  const mode = options.textMode === 'auto' ? (isNamed(values) || !panel.title ? 'value_and_name' : 'value') : options.textMode;
  const gap = values.length > 1 ? (options.colorMode.startsWith('background') ? 4 : 2) : 0;
  const cells = cellsOf(values.length, width, height, { orientation: options.orientation, auto: 'grid', gap, ...SMALLEST_CELL });
  const layout = useMemo(
    () =>
      statLayout(
        cells,
        {
          names: mode === 'value_and_name' || mode === 'name' ? values.map(({ name }) => name) : [],
          values: mode === 'value_and_name' || mode === 'value' ? values.map(({ display }) => display) : [],
          changes: values.flatMap(({ change }) => (change === undefined ? [] : [changeText(change)])),
        },
        { graph: graph && values.some(({ trend }) => trend), wide: options.wideLayout, ...options.text },
      ),
    [values, options, cells.width, cells.height],
  );
  if (values.length === 0) return <NoValues text={panel.fieldConfig?.defaults?.noValue} />;
  return (
    <div class="values-panel" data-overflow={cells.overflow || left > 0}>
      <div
        class="values-grid"
        role="list"
        aria-label={panel.title || english.values}
        style={{ 'grid-template-columns': `repeat(${cells.columns}, ${cells.width}px)`, 'grid-auto-rows': `${cells.height}px`, gap: `${gap}px` }}
      >
        {values.map((value, index) => (
          <Cell key={index} value={value} options={options} layout={layout} mode={mode} single={values.length === 1} cell={cells} links={linksOf(value, props.links)} />
        ))}
      </div>
      <Left count={left} />
    </div>
  );
}

interface CellProps {
  value: ShownValue;
  options: Options;
  layout: StatLayout;
  mode: Options['textMode'];
  single: boolean;
  cell: { width: number; height: number };
  links: ReturnType<PanelProps['links']>;
}

function Cell({ value, options, layout, mode, single, cell, links }: CellProps): JSX.Element {
  const { display, name, trend, change } = value;
  const color = display.color ?? 'var(--text)';
  const ground = options.colorMode.startsWith('background') && display.color !== undefined;
  const centered = options.justifyMode === 'center' || (options.justifyMode === 'auto' && (single || layout.arrangement === 'stack') && mode !== 'value_and_name') || layout.name === 0;
  const changeColor = options.percentChangeColorMode === 'same_as_value' || ground ? undefined : (change ?? 0) * (options.percentChangeColorMode === 'inverted' ? -1 : 1) > 0 ? 'var(--ok)' : (change ?? 0) === 0 ? 'var(--muted)' : 'var(--critical)';
  return (
    <div role="listitem" class="value-cell">
      <Linked
        links={links}
        class={`stat stat-${layout.arrangement}${centered ? ' stat-centered' : ''}${ground ? (options.colorMode === 'background' ? ' on-color on-color-gradient' : ' on-color') : ''}`}
        style={{ '--color': color, padding: `${layout.padding}px`, 'padding-bottom': layout.graphHeight > 0 && (layout.value > 0 || layout.name > 0) ? `${layout.padding + layout.graphHeight * 0.8}px` : `${layout.padding}px` }}
        title={layout.name > 0 ? name : `${name}: ${displayText(display)}`}
      >
        {layout.name > 0 && (
          <div class="stat-name" style={{ 'font-size': `${layout.name}px` }}>
            {name}
          </div>
        )}
        {layout.name === 0 && name !== '' && <span class="hidden">{name}: </span>}
        {mode !== 'name' && mode !== 'none' && (
          <div class="stat-value" style={{ 'font-size': `${layout.value}px`, color: ground ? 'inherit' : options.colorMode === 'value' ? inkOf(color) : 'var(--text)' }}>
            <ValueText value={display} />
          </div>
        )}
        {change !== undefined && mode !== 'name' && mode !== 'none' && (
          <div class="stat-change" style={{ 'font-size': `${layout.change}px`, color: changeColor ?? (ground ? 'inherit' : color) }}>
            {changeText(change)}
          </div>
        )}
        {trend && layout.graphHeight > 0 && (
          <div class="stat-graph">
            <Sparkline
              trend={trend}
              width={cell.width}
              height={layout.graphHeight}
              color={ground ? 'currentcolor' : options.colorMode === 'none' ? 'var(--series-1)' : color}
              fill={options.graphMode === 'area'}
              opacity={ground ? 0.18 : 0.22}
            />
          </div>
        )}
      </Linked>
    </div>
  );
}

export const kind: PanelKind = {
  id: 'stat',
  name: english.stat,
  Component: Stat,
  options: OPTIONS,
  field: { color: { mode: 'thresholds' } },
  data: true,
  editor: [
    ...REDUCTION_EDITOR,
    ORIENTATION_EDITOR,
    { path: 'options.textMode', name: english.text, group: english.look, kind: 'choice', choices: choices(['auto', 'value', 'value_and_name', 'name', 'none']) },
    { path: 'options.colorMode', name: english.colour, group: english.look, kind: 'choice', choices: choices(['none', 'value', 'background', 'background_solid']) },
    { path: 'options.graphMode', name: english.graph, group: english.look, kind: 'choice', choices: choices(['none', 'line', 'area']) },
    { path: 'options.justifyMode', name: english.alignment, group: english.look, kind: 'choice', choices: choices(['auto', 'center']) },
    { path: 'options.wideLayout', name: english.nameBesideValueWhere, group: english.look, kind: 'switch' },
    { path: 'options.showPercentChange', name: english.changeInPercent, group: english.look, kind: 'switch' },
    { path: 'options.percentChangeColorMode', name: english.colourOfChange, group: english.look, kind: 'choice', choices: choices(['standard', 'inverted', 'same_as_value']) },
    ...TEXT_SIZE_EDITOR,
  ],
};
