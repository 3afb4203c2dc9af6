/** From a panel to what its kind draws: ask, transform, apply the fields' configuration. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { annotationsOf } from '../../dashboard/annotations.ts';
import { interpolate, type Scope } from '../../dashboard/interpolate.ts';
import type { FieldConfig, Panel } from '../../dashboard/model.ts';
import { runPanel, type Notice, type PanelAnswer } from '../../dashboard/query.ts';
import * as english from '../../english/dashboard.ts';
import { applyFields } from '../../fields/apply.ts';
import type { Frame } from '../../frames/frame.ts';
import type { Annotation, PanelKind } from '../../panels/panel.ts';
import { panelKind } from '../../panels/registry.ts';
import { withDefaults } from '../../panels/values/options.ts';
import { useLoad } from '../../state/load.ts';
import { useTheme } from '../../state/theme.ts';
import { transformFrames } from '../../transforms/index.ts';
import type { Board } from './board.ts';

/** What holds for every kind of panel where neither the dashboard nor the kind says otherwise. */
const STANDARD = {
  color: { mode: 'thresholds' },
  thresholds: {
    mode: 'absolute',
    steps: [
      { value: null, color: 'green' },
      { value: 80, color: 'red' },
    ],
  },
};

/** Widths are rounded to this, so that a window dragged wider does not ask at every pixel. */
const WIDTH_STEP_PX = 60;

/** Loaded code of a panel's kind; `unknown` when there is none of that name. */
export type KindState = { state: 'loading' } | { state: 'unknown' } | { state: 'failed'; error: Error } | { state: 'ready'; kind: PanelKind };

export function usePanelKind(type: string): KindState {
  const [found, setFound] = useState<{ type: string; state: KindState }>({ type, state: { state: 'loading' } });
  useEffect(() => {
    let gone = false;
    const tell = (state: KindState): void => {
      if (!gone) setFound({ type, state });
    };
    const loading = panelKind(type);
    if (!loading) tell({ state: 'unknown' });
    else
      loading.then(
        (kind) => tell({ state: 'ready', kind }),
        () => tell({ state: 'failed', error: new Error(english.kindDidNotLoad) }),
      );
    return () => {
      gone = true;
    };
  }, [type]);
  return found.type === type ? found.state : { state: 'loading' };
}

export type DataState = 'loading' | 'ok' | 'nodata' | 'error';

export interface PanelData {
  state: DataState;
  busy: boolean;
  /** As answered; absent before the first answer. */
  answer?: PanelAnswer;
  /** Frames before the fields' configuration, after transformations. */
  transformed: readonly Frame[];
  frames: readonly Frame[];
  notices: readonly Notice[];
  /** Why nothing can be drawn. */
  error?: string;
}

/** The panel's question, as far as it can be told from another one: the same text is the same question. */
function question(panel: Panel, scope: Scope, board: Board, width: number): string {
  const asked = { targets: panel.targets, source: panel.datasource, interval: panel.interval, points: panel.maxDataPoints, from: panel.timeFrom, shift: panel.timeShift };
  const filters = board.variables.states.filter(({ variable }) => variable.type === 'adhoc' || variable.type === 'groupby').map(({ filters: set, chosen }) => [set, chosen.value]);
  return `${board.rangeKey} ${board.timeZone} ${width} ${JSON.stringify(filters)} ${interpolate(JSON.stringify(asked), scope, 'raw')}`;
}

const isEmpty = (frames: readonly Frame[]): boolean => frames.every(({ length, fields }) => length === 0 || fields.length === 0);

interface Wanted {
  panel: Panel;
  key: string;
  scope: Scope;
  kind: KindState;
  /** In CSS pixels; 0 while not known. */
  width: number;
  /** Whether it is seen; what is not seen asks nothing, and is asked when it is seen again. */
  active: boolean;
  priority: number;
}

export function usePanelData(board: Board, { panel, key, scope, kind, width, active, priority }: Wanted): PanelData {
  const asks = kind.state === 'ready' && kind.kind.data;
  const wide = Math.max(WIDTH_STEP_PX, Math.round(width / WIDTH_STEP_PX) * WIDTH_STEP_PX);
  const can = active && asks && width > 0 && board.variables.ready;
  const version = can ? question(panel, scope, board, wide) : '';
  const last = useRef<{ tick: unknown; version: string } | undefined>(undefined);
  if (can) last.current = { tick: board.tick.count, version };
  const loaded = useLoad(
    asks && last.current ? key : null,
    last.current?.tick,
    async (signal) =>
      runPanel(
        panel,
        { dashboard: board.dashboard, span: board.span, timeZone: board.timeZone, scope, sources: board.sources, requests: board.requests, width: wide, priority, ...(board.answers ? { answers: board.answers } : {}) },
        signal,
      ),
    last.current?.version ?? '',
  );
  const answer = loaded.data;
  const theme = useTheme().dark ? ('dark' as const) : ('light' as const);
  const fieldDefaults = useMemo(() => (kind.state === 'ready' ? withDefaults<Record<string, unknown>>(STANDARD, kind.kind.field) : undefined), [kind]);
  const drawn = useMemo((): Pick<PanelData, 'transformed' | 'frames' | 'error'> => {
    if (!answer || !fieldDefaults) return { transformed: [], frames: [] };
    const context = { timeZone: board.timeZone, theme, interpolate: (text: string, more?: Record<string, unknown>) => interpolate(text, more ? { ...scope, ...more } : scope) };
    try {
      const transformed = transformFrames(answer.frames, panel.transformations, context);
      const frames = applyFields(transformed, panel.fieldConfig, fieldDefaults as FieldConfig, context);
      // Exemplars are not transformed, and are configured apart, so that they change no names.
      const exemplars = panel.type === 'timeseries' ? applyFields(answer.exemplars, { defaults: panel.fieldConfig.defaults, overrides: [] }, fieldDefaults as FieldConfig, context) : [];
      return { transformed, frames: exemplars.length > 0 ? [...frames, ...exemplars] : frames };
    } catch (error) {
      return { transformed: answer.frames, frames: [], error: english.transformationsFailed(error instanceof Error ? error.message : String(error)) };
    }
  }, [answer, panel.transformations, panel.fieldConfig, fieldDefaults, board.timeZone, scope, theme]);

  const notices = useMemo(() => [...(answer?.notices ?? []), ...drawn.transformed.flatMap(({ meta, refId }) => (meta?.notices ?? []).map((notice) => ({ ...notice, refId })))], [answer, drawn]);
  const refused = notices.filter(({ severity }) => severity === 'error').map(({ text }) => text);
  const error = loaded.error?.message ?? drawn.error ?? (answer && answer.frames.length === 0 && refused.length > 0 ? [...new Set(refused)].join('\n') : undefined);
  let state: DataState = 'loading';
  if (kind.state === 'failed') state = 'error';
  else if (kind.state === 'unknown') state = 'error';
  else if (kind.state === 'ready' && !kind.kind.data) state = 'ok';
  else if (error !== undefined) state = 'error';
  else if (answer) state = isEmpty(drawn.frames) ? 'nodata' : 'ok';
  return { state, busy: loaded.busy, answer, ...drawn, notices, error: kind.state === 'failed' ? kind.error.message : error };
}

/** The dashboard's annotations that this panel shows. */
export const useAnnotations = (board: Board, id: number): readonly Annotation[] =>
  useMemo(() => annotationsOf(id, board.dashboard, board.annotations), [id, board.dashboard.annotations, board.annotations]);
