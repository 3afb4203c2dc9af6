import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { XyChartPanel } from './panel.tsx';

/** One field of numbers over another. */
export const kind: PanelKind = {
  id: 'xychart',
  name: english.xyChart,
  Component: XyChartPanel,
  options: { mapping: 'auto', series: [], legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: {
    color: { mode: 'palette-classic' },
    custom: { show: 'points', pointSize: { fixed: 5 }, pointShape: 'circle', pointStrokeWidth: 1, fillOpacity: 50, axisPlacement: 'auto', scaleDistribution: { type: 'linear' }, hideFrom: { legend: false, tooltip: false, viz: false } },
  },
  data: true,
  editor: [
    { path: 'options.mapping', name: english.series, group: english.points, kind: 'choice', choices: [{ value: 'auto', text: english.automatic }, { value: 'manual', text: english.chosen }] },
    { path: 'custom.show', name: english.show, group: english.points, kind: 'choice', choices: [{ value: 'points', text: english.points }, { value: 'lines', text: english.lines }, { value: 'points+lines', text: english.both }] },
    { path: 'custom.pointSize.fixed', name: english.pointSize, group: english.points, kind: 'number', min: 1, max: 100, step: 1 },
    { path: 'custom.pointSize.min', name: english.leastPointSize, group: english.points, kind: 'number', min: 1, max: 100, step: 1 },
    { path: 'custom.pointSize.max', name: english.greatestPointSize, group: english.points, kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.pointShape', name: english.shape, group: english.points, kind: 'choice', choices: [{ value: 'circle', text: english.circle }, { value: 'square', text: english.square }] },
    { path: 'custom.pointStrokeWidth', name: english.outline, group: english.points, kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: english.fillOpacity, group: english.points, kind: 'number', min: 0, max: 100, step: 1 },
    { path: 'custom.lineWidth', name: english.lineWidth, group: english.points, kind: 'number', min: 0, max: 10, step: 1 },
    ...AXIS_EDITOR,
    ...LEGEND_EDITOR,
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
