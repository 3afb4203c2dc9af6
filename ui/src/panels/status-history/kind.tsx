import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { SHOW_VALUE_EDITOR } from '../state-timeline/kind.tsx';
import { StatesPanel } from '../state-timeline/panel.tsx';

/** States over time, one cell a sample. */
export const kind: PanelKind = {
  id: 'status-history',
  name: english.statusHistory,
  Component: (props) => <StatesPanel {...props} samples />,
  options: { showValue: 'auto', rowHeight: 0.9, colWidth: 0.9, perPage: 20, legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'thresholds' }, custom: { lineWidth: 1, fillOpacity: 70, hideFrom: { legend: false, tooltip: false, viz: false } } },
  data: true,
  editor: [
    SHOW_VALUE_EDITOR,
    { path: 'options.rowHeight', name: english.rowHeight, group: english.options, kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.colWidth', name: english.columnWidth, group: english.options, kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.perPage', name: english.rowsPage, group: english.options, kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.lineWidth', name: english.lineWidth, group: english.options, kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: english.fillOpacity, group: english.options, kind: 'number', min: 0, max: 100, step: 1 },
    ...LEGEND_EDITOR.filter(({ path }) => path !== 'options.legend.calcs'),
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
