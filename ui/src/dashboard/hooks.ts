/** The parts of `dashboard/` as hooks. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { VariableSet, type VariableSetup } from './variables/set.ts';

/** The variables of a dashboard; made anew when the dashboard, its data sources or the requests are other ones. */
export function useVariables(setup: VariableSetup): VariableSet {
  const { dashboard, sources, requests, span, params } = setup;
  const set = useMemo(() => new VariableSet(setup), [dashboard, sources, requests]);
  const [, redraw] = useState({});
  useEffect(() => {
    const stop = set.subscribe(() => redraw({}));
    set.start();
    return () => {
      stop();
      set.stop();
    };
  }, [set]);
  useEffect(() => set.setSpan(span), [set, span.from, span.to]);
  useEffect(() => set.setParams(params), [set, params]);
  return set;
}
