/** Options that several kinds of plots let people edit. */
import * as english from '../../english/panels.ts';
import { titled } from '../../english/words.ts';
import type { OptionEditor } from '../panel.ts';

const texts = (...values: string[]): { value: unknown; text: string }[] => values.map((value) => ({ value, text: titled(value) }));

export const LEGEND_EDITOR: readonly OptionEditor[] = [
  { path: 'options.legend.showLegend', name: english.visible, group: english.legend, kind: 'switch' },
  { path: 'options.legend.displayMode', name: english.mode, group: english.legend, kind: 'choice', choices: texts('list', 'table') },
  { path: 'options.legend.placement', name: english.placement, group: english.legend, kind: 'choice', choices: texts('bottom', 'right') },
  { path: 'options.legend.width', name: english.width, group: english.legend, kind: 'number', min: 40, max: 2000 },
  {
    path: 'options.legend.calcs',
    name: english.values,
    group: english.legend,
    kind: 'choices',
    choices: [
      { value: 'lastNotNull', text: english.lastNotNull },
      { value: 'last', text: english.lastValue },
      { value: 'firstNotNull', text: english.firstNotNull },
      { value: 'min', text: english.min },
      { value: 'max', text: english.max },
      { value: 'mean', text: english.mean },
      { value: 'median', text: english.median },
      { value: 'sum', text: english.total },
      { value: 'count', text: english.count },
      { value: 'range', text: english.range },
      { value: 'delta', text: english.delta },
      { value: 'diff', text: english.difference },
      { value: 'p95', text: '95th %' },
      { value: 'p99', text: '99th %' },
    ],
  },
];

export const TOOLTIP_EDITOR: readonly OptionEditor[] = [
  { path: 'options.tooltip.mode', name: english.mode, group: english.tooltip, kind: 'choice', choices: [{ value: 'single', text: english.single }, { value: 'multi', text: english.all }, { value: 'none', text: english.hidden }] },
  { path: 'options.tooltip.sort', name: english.order, group: english.tooltip, kind: 'choice', choices: [{ value: 'none', text: english.asDrawn }, { value: 'asc', text: english.ascending }, { value: 'desc', text: english.descending }] },
  { path: 'options.tooltip.hideZeros', name: english.hideZeros, group: english.tooltip, kind: 'switch' },
];

export const AXIS_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.axisPlacement', name: english.placement, group: english.axis, kind: 'choice', choices: texts('auto', 'left', 'right', 'hidden') },
  { path: 'custom.axisLabel', name: english.label, group: english.axis, kind: 'text' },
  { path: 'custom.axisWidth', name: english.width, group: english.axis, kind: 'number', min: 0, max: 400 },
  { path: 'custom.axisGridShow', name: english.gridLines, group: english.axis, kind: 'switch' },
  { path: 'custom.axisBorderShow', name: english.border, group: english.axis, kind: 'switch' },
  { path: 'custom.axisColorMode', name: english.colour, group: english.axis, kind: 'choice', choices: texts('text', 'series') },
  { path: 'custom.scaleDistribution.type', name: english.scale, group: english.axis, kind: 'choice', choices: [{ value: 'linear', text: english.linear }, { value: 'log', text: english.logarithmic }, { value: 'symlog', text: english.symlog }] },
  { path: 'custom.scaleDistribution.log', name: english.baseOfLogarithm, group: english.axis, kind: 'choice', choices: [{ value: 2, text: '2' }, { value: 10, text: '10' }] },
  { path: 'custom.scaleDistribution.linearThreshold', name: english.linearBelow, group: english.axis, kind: 'number' },
  { path: 'custom.axisCenteredZero', name: english.zeroInMiddle, group: english.axis, kind: 'switch' },
  { path: 'custom.axisSoftMin', name: english.softMinimum, group: english.axis, kind: 'number' },
  { path: 'custom.axisSoftMax', name: english.softMaximum, group: english.axis, kind: 'number' },
];

export const STACKING_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.stacking.mode', name: english.stack, group: english.graph, kind: 'choice', choices: [{ value: 'none', text: english.off }, { value: 'normal', text: english.normal }, { value: 'percent', text: '100%' }] },
  { path: 'custom.stacking.group', name: english.stackGroup, group: english.graph, kind: 'text' },
];

export const LINE_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.drawStyle', name: english.style, group: english.graph, kind: 'choice', choices: texts('line', 'bars', 'points') },
  {
    path: 'custom.lineInterpolation',
    name: english.interpolation,
    group: english.graph,
    kind: 'choice',
    choices: [{ value: 'linear', text: english.linear }, { value: 'smooth', text: english.smooth }, { value: 'stepBefore', text: english.stepBefore }, { value: 'stepAfter', text: english.stepAfter }],
  },
  { path: 'custom.lineWidth', name: english.lineWidth, group: english.graph, kind: 'number', min: 0, max: 10, step: 1 },
  { path: 'custom.lineStyle.fill', name: english.lineStyle, group: english.graph, kind: 'choice', choices: [{ value: 'solid', text: english.solid }, { value: 'dash', text: english.dashes }, { value: 'dot', text: english.dots }] },
  { path: 'custom.fillOpacity', name: english.fillOpacity, group: english.graph, kind: 'number', min: 0, max: 100, step: 1 },
  { path: 'custom.gradientMode', name: english.gradient, group: english.graph, kind: 'choice', choices: texts('none', 'opacity', 'hue', 'scheme') },
  { path: 'custom.fillBelowTo', name: english.fillDownToSeries, group: english.graph, kind: 'text' },
  { path: 'custom.spanNulls', name: english.connectOverGaps, group: english.graph, kind: 'switch' },
  { path: 'custom.showPoints', name: english.points, group: english.graph, kind: 'choice', choices: texts('auto', 'always', 'never') },
  { path: 'custom.pointSize', name: english.pointSize, group: english.graph, kind: 'number', min: 1, max: 40, step: 1 },
  { path: 'custom.barAlignment', name: english.barAlignment, group: english.graph, kind: 'choice', choices: [{ value: -1, text: english.before }, { value: 0, text: english.centre }, { value: 1, text: english.after }] },
  { path: 'custom.barWidthFactor', name: english.barWidth, group: english.graph, kind: 'number', min: 0.1, max: 1, step: 0.1 },
  ...STACKING_EDITOR,
  { path: 'custom.transform', name: english.transform, group: english.graph, kind: 'choice', choices: [{ value: undefined, text: english.none }, { value: 'constant', text: english.constant }, { value: 'negative-Y', text: english.negativeY }] },
];

export const THRESHOLDS_EDITOR: readonly OptionEditor[] = [
  {
    path: 'custom.thresholdsStyle.mode',
    name: english.showThresholds,
    group: english.thresholds,
    kind: 'choice',
    choices: [
      { value: 'off', text: english.off },
      { value: 'line', text: english.lines },
      { value: 'dashed', text: english.dashedLines },
      { value: 'area', text: english.areas },
      { value: 'line+area', text: english.linesAndAreas },
      { value: 'dashed+area', text: english.dashedLinesAndAreas },
    ],
  },
];

/** Field options of lines that hold where a dashboard says nothing. */
export const LINE_CUSTOM: Record<string, unknown> = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  lineStyle: { fill: 'solid' },
  fillOpacity: 0,
  gradientMode: 'none',
  spanNulls: false,
  insertNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  barAlignment: 0,
  barWidthFactor: 0.6,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisCenteredZero: false,
  scaleDistribution: { type: 'linear' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { legend: false, tooltip: false, viz: false },
};

export const LEGEND_OPTIONS: Record<string, unknown> = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };
export const TOOLTIP_OPTIONS: Record<string, unknown> = { mode: 'single', sort: 'none', hideZeros: false };
