import type { OptionEditor, PanelKind } from '../panel.ts';
import { LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { StatesPanel } from './panel.tsx';

export const SHOW_VALUE_EDITOR: OptionEditor = {
  path: 'options.showValue',
  name: 'Show values',
  group: 'Options',
  kind: 'choice',
  choices: [
    { value: 'auto', text: 'Where they fit' },
    { value: 'always', text: 'Always' },
    { value: 'never', text: 'Never' },
  ],
};

/** States over time, equal ones in one piece. */
export const kind: PanelKind = {
  id: 'state-timeline',
  name: 'State timeline',
  Component: (props) => <StatesPanel {...props} samples={false} />,
  options: { mergeValues: true, showValue: 'auto', alignValue: 'left', rowHeight: 0.9, perPage: 20, legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'continuous-GrYlRd' }, custom: { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom: { legend: false, tooltip: false, viz: false } } },
  data: true,
  editor: [
    { path: 'options.mergeValues', name: 'Merge equal values', group: 'Options', kind: 'switch' },
    SHOW_VALUE_EDITOR,
    { path: 'options.alignValue', name: 'Align values', group: 'Options', kind: 'choice', choices: [{ value: 'left', text: 'Left' }, { value: 'center', text: 'Centre' }, { value: 'right', text: 'Right' }] },
    { path: 'options.rowHeight', name: 'Row height', group: 'Options', kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.perPage', name: 'Rows a page', group: 'Options', kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.lineWidth', name: 'Line width', group: 'Options', kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: 'Fill opacity', group: 'Options', kind: 'number', min: 0, max: 100, step: 1 },
    { path: 'custom.spanNulls', name: 'Connect over gaps', group: 'Options', kind: 'switch' },
    ...LEGEND_EDITOR.filter(({ path }) => path !== 'options.legend.calcs'),
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
