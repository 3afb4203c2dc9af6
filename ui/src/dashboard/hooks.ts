/** The variables of a dashboard, as a hook. */
import { useEffect, useMemo, useState } from 'preact/hooks';
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
