import type { PanelKind } from '../panel.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { XyChartPanel } from './panel.tsx';

/** One field of numbers over another. */
export const kind: PanelKind = {
  id: 'xychart',
  name: 'XY chart',
  Component: XyChartPanel,
  options: { mapping: 'auto', series: [], legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: {
    color: { mode: 'palette-classic' },
    custom: { show: 'points', pointSize: { fixed: 5 }, pointShape: 'circle', pointStrokeWidth: 1, fillOpacity: 50, axisPlacement: 'auto', scaleDistribution: { type: 'linear' }, hideFrom: { legend: false, tooltip: false, viz: false } },
  },
  data: true,
  editor: [
    { path: 'options.mapping', name: 'Series', group: 'Points', kind: 'choice', choices: [{ value: 'auto', text: 'Automatic' }, { value: 'manual', text: 'Chosen' }] },
    { path: 'custom.show', name: 'Show', group: 'Points', kind: 'choice', choices: [{ value: 'points', text: 'Points' }, { value: 'lines', text: 'Lines' }, { value: 'points+lines', text: 'Both' }] },
    { path: 'custom.pointSize.fixed', name: 'Point size', group: 'Points', kind: 'number', min: 1, max: 100, step: 1 },
    { path: 'custom.pointSize.min', name: 'Least point size', group: 'Points', kind: 'number', min: 1, max: 100, step: 1 },
    { path: 'custom.pointSize.max', name: 'Greatest point size', group: 'Points', kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.pointShape', name: 'Shape', group: 'Points', kind: 'choice', choices: [{ value: 'circle', text: 'Circle' }, { value: 'square', text: 'Square' }] },
    { path: 'custom.pointStrokeWidth', name: 'Outline', group: 'Points', kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: 'Fill opacity', group: 'Points', kind: 'number', min: 0, max: 100, step: 1 },
    { path: 'custom.lineWidth', name: 'Line width', group: 'Points', kind: 'number', min: 0, max: 10, step: 1 },
    ...AXIS_EDITOR,
    ...LEGEND_EDITOR,
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
