import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';
import { LEGEND_EDITOR, LEGEND_OPTIONS, LINE_EDITOR, STACKING_EDITOR, TOOLTIP_EDITOR, TOOLTIP_OPTIONS } from '../plot/editor.ts';
import { HistogramPanel } from './panel.tsx';

/** How often values occur. */
export const kind: PanelKind = {
  id: 'histogram',
  name: english.histogram,
  Component: HistogramPanel,
  options: { bucketCount: 30, bucketOffset: 0, combine: false, legend: LEGEND_OPTIONS, tooltip: TOOLTIP_OPTIONS },
  field: { color: { mode: 'palette-classic' }, custom: { lineWidth: 1, fillOpacity: 80, gradientMode: 'none', stacking: { mode: 'none', group: 'A' }, hideFrom: { legend: false, tooltip: false, viz: false } } },
  data: true,
  editor: [
    { path: 'options.bucketCount', name: english.binsAtMost, group: english.bins, kind: 'number', min: 1, max: 500, step: 1 },
    { path: 'options.bucketSize', name: english.sizeOfBin, group: english.bins, kind: 'number', min: 0 },
    { path: 'options.bucketOffset', name: english.offset, group: english.bins, kind: 'number' },
    { path: 'options.combine', name: english.allSeriesInOne, group: english.bins, kind: 'switch' },
    ...STACKING_EDITOR,
    ...LINE_EDITOR.filter(({ path }) => ['custom.lineWidth', 'custom.fillOpacity', 'custom.gradientMode'].includes(path)),
    ...LEGEND_EDITOR,
    ...TOOLTIP_EDITOR,
  ],
};
