/** Options that several kinds of plots let people edit. */
import type { OptionEditor } from '../panel.ts';

const texts = (...values: string[]): { value: unknown; text: string }[] => values.map((value) => ({ value, text: value[0]!.toUpperCase() + value.slice(1) }));

export const LEGEND_EDITOR: readonly OptionEditor[] = [
  { path: 'options.legend.showLegend', name: 'Visible', group: 'Legend', kind: 'switch' },
  { path: 'options.legend.displayMode', name: 'Mode', group: 'Legend', kind: 'choice', choices: texts('list', 'table') },
  { path: 'options.legend.placement', name: 'Placement', group: 'Legend', kind: 'choice', choices: texts('bottom', 'right') },
  { path: 'options.legend.width', name: 'Width', group: 'Legend', kind: 'number', min: 40, max: 2000 },
  {
    path: 'options.legend.calcs',
    name: 'Values',
    group: 'Legend',
    kind: 'choices',
    choices: [
      { value: 'lastNotNull', text: 'Last *' },
      { value: 'last', text: 'Last' },
      { value: 'firstNotNull', text: 'First *' },
      { value: 'min', text: 'Min' },
      { value: 'max', text: 'Max' },
      { value: 'mean', text: 'Mean' },
      { value: 'median', text: 'Median' },
      { value: 'sum', text: 'Total' },
      { value: 'count', text: 'Count' },
      { value: 'range', text: 'Range' },
      { value: 'delta', text: 'Delta' },
      { value: 'diff', text: 'Difference' },
      { value: 'p95', text: '95th %' },
      { value: 'p99', text: '99th %' },
    ],
  },
];

export const TOOLTIP_EDITOR: readonly OptionEditor[] = [
  { path: 'options.tooltip.mode', name: 'Mode', group: 'Tooltip', kind: 'choice', choices: [{ value: 'single', text: 'Single' }, { value: 'multi', text: 'All' }, { value: 'none', text: 'Hidden' }] },
  { path: 'options.tooltip.sort', name: 'Order', group: 'Tooltip', kind: 'choice', choices: [{ value: 'none', text: 'As drawn' }, { value: 'asc', text: 'Ascending' }, { value: 'desc', text: 'Descending' }] },
  { path: 'options.tooltip.hideZeros', name: 'Hide zeros', group: 'Tooltip', kind: 'switch' },
];

export const AXIS_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.axisPlacement', name: 'Placement', group: 'Axis', kind: 'choice', choices: texts('auto', 'left', 'right', 'hidden') },
  { path: 'custom.axisLabel', name: 'Label', group: 'Axis', kind: 'text' },
  { path: 'custom.axisWidth', name: 'Width', group: 'Axis', kind: 'number', min: 0, max: 400 },
  { path: 'custom.axisGridShow', name: 'Grid lines', group: 'Axis', kind: 'switch' },
  { path: 'custom.axisBorderShow', name: 'Border', group: 'Axis', kind: 'switch' },
  { path: 'custom.axisColorMode', name: 'Colour', group: 'Axis', kind: 'choice', choices: texts('text', 'series') },
  { path: 'custom.scaleDistribution.type', name: 'Scale', group: 'Axis', kind: 'choice', choices: [{ value: 'linear', text: 'Linear' }, { value: 'log', text: 'Logarithmic' }, { value: 'symlog', text: 'Symlog' }] },
  { path: 'custom.scaleDistribution.log', name: 'Base of the logarithm', group: 'Axis', kind: 'choice', choices: [{ value: 2, text: '2' }, { value: 10, text: '10' }] },
  { path: 'custom.scaleDistribution.linearThreshold', name: 'Linear below', group: 'Axis', kind: 'number' },
  { path: 'custom.axisCenteredZero', name: 'Zero in the middle', group: 'Axis', kind: 'switch' },
  { path: 'custom.axisSoftMin', name: 'Soft minimum', group: 'Axis', kind: 'number' },
  { path: 'custom.axisSoftMax', name: 'Soft maximum', group: 'Axis', kind: 'number' },
];

export const STACKING_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.stacking.mode', name: 'Stack', group: 'Graph', kind: 'choice', choices: [{ value: 'none', text: 'Off' }, { value: 'normal', text: 'Normal' }, { value: 'percent', text: '100%' }] },
  { path: 'custom.stacking.group', name: 'Stack group', group: 'Graph', kind: 'text' },
];

export const LINE_EDITOR: readonly OptionEditor[] = [
  { path: 'custom.drawStyle', name: 'Style', group: 'Graph', kind: 'choice', choices: texts('line', 'bars', 'points') },
  {
    path: 'custom.lineInterpolation',
    name: 'Interpolation',
    group: 'Graph',
    kind: 'choice',
    choices: [{ value: 'linear', text: 'Linear' }, { value: 'smooth', text: 'Smooth' }, { value: 'stepBefore', text: 'Step before' }, { value: 'stepAfter', text: 'Step after' }],
  },
  { path: 'custom.lineWidth', name: 'Line width', group: 'Graph', kind: 'number', min: 0, max: 10, step: 1 },
  { path: 'custom.lineStyle.fill', name: 'Line style', group: 'Graph', kind: 'choice', choices: [{ value: 'solid', text: 'Solid' }, { value: 'dash', text: 'Dashes' }, { value: 'dot', text: 'Dots' }] },
  { path: 'custom.fillOpacity', name: 'Fill opacity', group: 'Graph', kind: 'number', min: 0, max: 100, step: 1 },
  { path: 'custom.gradientMode', name: 'Gradient', group: 'Graph', kind: 'choice', choices: texts('none', 'opacity', 'hue', 'scheme') },
  { path: 'custom.fillBelowTo', name: 'Fill down to series', group: 'Graph', kind: 'text' },
  { path: 'custom.spanNulls', name: 'Connect over gaps', group: 'Graph', kind: 'switch' },
  { path: 'custom.showPoints', name: 'Points', group: 'Graph', kind: 'choice', choices: texts('auto', 'always', 'never') },
  { path: 'custom.pointSize', name: 'Point size', group: 'Graph', kind: 'number', min: 1, max: 40, step: 1 },
  { path: 'custom.barAlignment', name: 'Bar alignment', group: 'Graph', kind: 'choice', choices: [{ value: -1, text: 'Before' }, { value: 0, text: 'Centre' }, { value: 1, text: 'After' }] },
  { path: 'custom.barWidthFactor', name: 'Bar width', group: 'Graph', kind: 'number', min: 0.1, max: 1, step: 0.1 },
  ...STACKING_EDITOR,
  { path: 'custom.transform', name: 'Transform', group: 'Graph', kind: 'choice', choices: [{ value: undefined, text: 'None' }, { value: 'constant', text: 'Constant' }, { value: 'negative-Y', text: 'Negative Y' }] },
];

export const THRESHOLDS_EDITOR: readonly OptionEditor[] = [
  {
    path: 'custom.thresholdsStyle.mode',
    name: 'Show thresholds',
    group: 'Thresholds',
    kind: 'choice',
    choices: [
      { value: 'off', text: 'Off' },
      { value: 'line', text: 'Lines' },
      { value: 'dashed', text: 'Dashed lines' },
      { value: 'area', text: 'Areas' },
      { value: 'line+area', text: 'Lines and areas' },
      { value: 'dashed+area', text: 'Dashed lines and areas' },
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
