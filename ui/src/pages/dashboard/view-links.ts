/** The view as it goes along in links: time as Grafana writes it, and the variables. */
import { OWN_SOURCE } from '../../api/client.ts';
import { writeView } from '../../dashboard/state.ts';
import { currentPlace, type Patch } from '../../router.ts';
import type { Board } from './board.ts';

const text = (patch: Patch): Patch => Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));

/** The chosen range, which moves on with the time where it does so here. */
export function viewPatch(board: Pick<Board, 'rangeKey'>): Patch {
  const [from = 'now-6h', to = 'now'] = board.rangeKey.split('|');
  return text(writeView({ range: { from, to } }));
}

/** Milliseconds, so that whoever follows sees the very same. */
export const lockedPatch = (board: Pick<Board, 'span'>): Patch => ({ from: String(Math.round(board.span.from * 1000)), to: String(Math.round(board.span.to * 1000)) });

/** What one data source is asked, for Explore. */
export interface Question {
  /** The data source's uid. */
  source: string;
  expressions: readonly string[];
}

/** Explore with what a panel asks of a data source, and the way back. */
export function exploreHref(board: Pick<Board, 'rangeKey' | 'span'>, { source, expressions }: Question): string {
  const params = new URLSearchParams();
  if (source !== OWN_SOURCE) params.set('source', source);
  for (const expression of expressions) params.append('expr', expression);
  const time = /^now-\d+[smhdwMy]\|now$/.test(board.rangeKey) ? viewPatch(board) : lockedPatch(board);
  for (const [name, value] of Object.entries(time)) if (typeof value === 'string') params.set(name, value);
  const { path, params: here } = currentPlace();
  params.set('back', `${path}?${here}`);
  return `explore?${params}`;
}
