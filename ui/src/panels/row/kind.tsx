/** A row: its header is the page's, and its panels stand below it. */
import * as english from '../../english/panels.ts';
import type { PanelKind } from '../panel.ts';

export const kind: PanelKind = { id: 'row', name: english.row, Component: () => null, options: {}, field: {}, data: false, editor: [] };
