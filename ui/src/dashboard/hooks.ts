/** The parts of `dashboard/` as hooks. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Span } from '../state/range.ts';
import { isFailed, runPanel, type PanelAnswer, type QueryContext } from './query.ts';
import type { Panel } from './model.ts';
import { VariableSet, type VariableSetup } from './variables/set.ts';

/** The variables of a dashboard; made anew when the dashboard, its data sources or the requests are other ones. */
export function useVariables(setup: VariableSetup): VariableSet {
  const { dashboard, sources, requests, span, range, params } = setup;
  const set = useMemo(() => new VariableSet(setup), [dashboard, sources, requests]);
  const [, redraw] = useState({});
  useEffect(() => {
    const stop = set.subscribe(() => redraw({}));
    set.start();
    redraw({});
    return () => {
      stop();
      set.stop();
    };
  }, [set]);
  useEffect(() => set.setSpan(span, range), [set, span.from, span.to, range?.from, range?.to]);
  useEffect(() => set.setParams(params), [set, params]);
  return set;
}

export interface PanelData {
  /** The last answer; it stays while a newer one is on its way. */
  answer?: PanelAnswer;
  /** As `data-state` of a panel's element tells it. */
  state: 'loading' | 'ok' | 'nodata' | 'error';
  /** Whether a request is under way. */
  busy: boolean;
}

export interface PanelAsk {
  panel: Panel;
  /** Without the span: that is the tick's. */
  context: Omit<QueryContext, 'span'>;
  span: Span;
  /** Changes with what the panel is asked by, apart from time: variables, width. The old answer goes when it changes. */
  identity: string;
  /** False while variables are not there, or the panel was never in sight. */
  enabled: boolean;
}

/** A panel's answer, asked again with every other span. A tick that comes while a request is under way is skipped. */
export function usePanelData({ panel, context, span, identity, enabled }: PanelAsk): PanelData {
  const [seen, see] = useState<{ identity: string; answer?: PanelAnswer; busy: boolean }>({ identity: '', busy: false });
  const running = useRef<{ identity: string; control: AbortController; length: number } | undefined>(undefined);
  const length = span.to - span.from;

  useEffect(() => {
    if (!enabled) return;
    const current = running.current;
    if (current && current.identity === identity && Math.abs(current.length - length) < 1) return;
    current?.control.abort();
    const run = { identity, control: new AbortController(), length };
    running.current = run;
    see((last) => ({ ...last, busy: true }));
    runPanel(panel, { ...context, span }, run.control.signal).then(
      (answer) => {
        if (running.current !== run) return;
        running.current = undefined;
        see({ identity, answer, busy: false });
      },
      () => {
        if (running.current !== run) return;
        running.current = undefined;
        see((last) => ({ ...last, busy: false }));
      },
    );
  }, [panel, identity, enabled, span.from, span.to]);

  useEffect(
    () => () => {
      running.current?.control.abort();
      running.current = undefined;
    },
    [],
  );

  const answer = seen.identity === identity ? seen.answer : undefined;
  return { ...(answer ? { answer } : {}), state: stateOf(answer), busy: seen.busy };
}

/** How a panel stands with this answer. */
export function stateOf(answer: PanelAnswer | undefined): PanelData['state'] {
  if (!answer) return 'loading';
  if (isFailed(answer)) return 'error';
  return answer.frames.some(({ length }) => length > 0) ? 'ok' : 'nodata';
}
