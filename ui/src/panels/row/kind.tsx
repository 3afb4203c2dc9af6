/** A row: its header is the page's, and its panels stand below it. */
import type { PanelKind } from '../panel.ts';

export const kind: PanelKind = { id: 'row', name: 'Row', Component: () => null, options: {}, field: {}, data: false, editor: [] };
