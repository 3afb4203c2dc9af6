import type { PanelKind } from '../panel.ts';
import { LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { SHOW_VALUE_EDITOR } from '../state-timeline/kind.tsx';
import { StatesPanel } from '../state-timeline/panel.tsx';

/** States over time, one cell a sample. */
export const kind: PanelKind = {
  id: 'status-history',
  name: 'Status history',
  Component: (props) => <StatesPanel {...props} samples />,
  options: { showValue: 'auto', rowHeight: 0.9, colWidth: 0.9, perPage: 20, legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'thresholds' }, custom: { lineWidth: 1, fillOpacity: 70, hideFrom: { legend: false, tooltip: false, viz: false } } },
  data: true,
  editor: [
    SHOW_VALUE_EDITOR,
    { path: 'options.rowHeight', name: 'Row height', group: 'Options', kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.colWidth', name: 'Column width', group: 'Options', kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.perPage', name: 'Rows a page', group: 'Options', kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.lineWidth', name: 'Line width', group: 'Options', kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: 'Fill opacity', group: 'Options', kind: 'number', min: 0, max: 100, step: 1 },
    ...LEGEND_EDITOR.filter(({ path }) => path !== 'options.legend.calcs'),
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
