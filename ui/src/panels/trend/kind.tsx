import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { AXIS_EDITOR, LEGEND_EDITOR, LEGEND_OPTIONS, LINE_CUSTOM, LINE_EDITOR, THRESHOLDS_EDITOR, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { SeriesPanel } from '../timeseries/panel.tsx';

/** Values over a field of numbers, such as a percentile or a distance. */
export const kind: PanelKind = {
  id: 'trend',
  name: english.trend,
  Component: (props) => {
    const field = props.panel.options['xField'];
    return <SeriesPanel {...props} across={{ kind: 'number', field: typeof field === 'string' && field !== '' ? field : undefined }} />;
  },
  options: { legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'palette-classic' }, custom: LINE_CUSTOM },
  data: true,
  editor: [{ path: 'options.xField', name: english.xField, group: english.xAxis, kind: 'text' }, ...LINE_EDITOR, ...AXIS_EDITOR, ...LEGEND_EDITOR, ...TOOLTIP_EDITOR, ...THRESHOLDS_EDITOR],
};
