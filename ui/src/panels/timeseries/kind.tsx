import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, LINE_CUSTOM, LINE_EDITOR, THRESHOLDS_EDITOR, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { SeriesPanel } from './panel.tsx';

/** Values over time. */
export const kind: PanelKind = {
  id: 'timeseries',
  name: english.timeSeries,
  Component: (props) => <SeriesPanel {...props} />,
  options: { legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'palette-classic' }, custom: LINE_CUSTOM },
  data: true,
  editor: [...LINE_EDITOR, ...AXIS_EDITOR, ...LEGEND_EDITOR, ...TOOLTIP_EDITOR, ...THRESHOLDS_EDITOR],
};
