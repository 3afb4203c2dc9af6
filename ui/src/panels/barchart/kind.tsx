import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, LINE_EDITOR, THRESHOLDS_EDITOR, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { SHOW_VALUE_EDITOR } from '../state-timeline/kind.tsx';
import { BarChartPanel } from './panel.tsx';

/** Bars by category. */
export const kind: PanelKind = {
  id: 'barchart',
  name: english.barChart,
  Component: BarChartPanel,
  options: {
    orientation: 'auto',
    stacking: 'none',
    showValue: 'auto',
    groupWidth: 0.7,
    barWidth: 0.97,
    barRadius: 0,
    xTickLabelRotation: 0,
    xTickLabelSpacing: 0,
    fullHighlight: false,
    legend: LEGEND_OPTIONS,
    tooltip: TOOLTIP_OPTIONS,
  },
  field: {
    color: { mode: 'palette-classic' },
    custom: { lineWidth: 1, fillOpacity: 80, gradientMode: 'none', axisPlacement: 'auto', axisLabel: '', scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' }, hideFrom: { legend: false, tooltip: false, viz: false } },
  },
  data: true,
  editor: [
    { path: 'options.xField', name: english.categoriesFromField, group: english.bars, kind: 'text' },
    { path: 'options.orientation', name: english.direction, group: english.bars, kind: 'choice', choices: [{ value: 'auto', text: english.byRoom }, { value: 'horizontal', text: english.horizontal }, { value: 'vertical', text: english.vertical }] },
    { path: 'options.stacking', name: english.stack, group: english.bars, kind: 'choice', choices: [{ value: 'none', text: english.off }, { value: 'normal', text: english.normal }, { value: 'percent', text: '100%' }] },
    { ...SHOW_VALUE_EDITOR, group: english.bars },
    { path: 'options.groupWidth', name: english.groupWidth, group: english.bars, kind: 'number', min: 0, max: 1, step: 0.05 },
    { path: 'options.barWidth', name: english.barWidth, group: english.bars, kind: 'number', min: 0, max: 1, step: 0.05 },
    { path: 'options.barRadius', name: english.barRadius, group: english.bars, kind: 'number', min: 0, max: 0.5, step: 0.05 },
    { path: 'options.xTickLabelRotation', name: english.turnLabels, group: english.bars, kind: 'number', min: -90, max: 90, step: 15 },
    { path: 'options.xTickLabelMaxLength', name: english.longestLabel, group: english.bars, kind: 'number', min: 0, max: 200 },
    { path: 'options.colorByField', name: english.colourByField, group: english.bars, kind: 'text' },
    ...LINE_EDITOR.filter(({ path }) => ['custom.lineWidth', 'custom.fillOpacity', 'custom.gradientMode'].includes(path)),
    ...AXIS_EDITOR,
    ...LEGEND_EDITOR,
    ...TOOLTIP_EDITOR,
    ...THRESHOLDS_EDITOR,
  ],
};
