import * as english from '../../english/panels.ts';
import type { OptionEditor, PanelKind } from '../panel.ts';
import { LEGEND_EDITOR, LEGEND_OPTIONS, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { StatesPanel } from './panel.tsx';

export const SHOW_VALUE_EDITOR: OptionEditor = {
  path: 'options.showValue',
  name: english.showValues,
  group: english.options,
  kind: 'choice',
  choices: [
    { value: 'auto', text: english.whereTheyFit },
    { value: 'always', text: english.always },
    { value: 'never', text: english.never },
  ],
};

/** States over time, equal ones in one piece. */
export const kind: PanelKind = {
  id: 'state-timeline',
  name: english.stateTimeline,
  Component: (props) => <StatesPanel {...props} samples={false} />,
  options: { mergeValues: true, showValue: 'auto', alignValue: 'left', rowHeight: 0.9, perPage: 20, legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'continuous-GrYlRd' }, custom: { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom: { legend: false, tooltip: false, viz: false } } },
  data: true,
  editor: [
    { path: 'options.mergeValues', name: english.mergeEqualValues, group: english.options, kind: 'switch' },
    SHOW_VALUE_EDITOR,
    { path: 'options.alignValue', name: english.alignValues, group: english.options, kind: 'choice', choices: [{ value: 'left', text: english.left }, { value: 'center', text: english.centre }, { value: 'right', text: english.right }] },
    { path: 'options.rowHeight', name: english.rowHeight, group: english.options, kind: 'number', min: 0.1, max: 1, step: 0.05 },
    { path: 'options.perPage', name: english.rowsPage, group: english.options, kind: 'number', min: 1, max: 200, step: 1 },
    { path: 'custom.lineWidth', name: english.lineWidth, group: english.options, kind: 'number', min: 0, max: 10, step: 1 },
    { path: 'custom.fillOpacity', name: english.fillOpacity, group: english.options, kind: 'number', min: 0, max: 100, step: 1 },
    { path: 'custom.spanNulls', name: english.connectOverGaps, group: english.options, kind: 'switch' },
    ...LEGEND_EDITOR.filter(({ path }) => path !== 'options.legend.calcs'),
    ...TOOLTIP_EDITOR.slice(0, 1),
  ],
};
