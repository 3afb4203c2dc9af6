/** Hints beside an expression, each with a way to follow it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { MetricsApi } from '../../api/client.ts';
import * as english from '../../english/explore.ts';
import { Mark } from '../../parts/parts.tsx';
import type { Hint } from '../../promql/hints.ts';

/** Types of metrics that were asked for already, by where. */
const known = new Map<string, Map<string, string>>();

async function find(metrics: MetricsApi, expression: string, window: string, signal: AbortSignal): Promise<Hint[]> {
  // With the parser of the editor, which is on its way already.
  const { hints, metricsIn } = await import('../../promql/hints.ts');
  const types = known.get(metrics.base) ?? new Map<string, string>();
  known.set(metrics.base, types);
  const unknown = metricsIn(expression).flatMap((name) => [name, name.replace(/_(bucket|count|sum|total)$/, '')]).filter((name) => !types.has(name));
  await Promise.all(
    [...new Set(unknown)].slice(0, 20).map(async (name) => {
      const said = await metrics.metadata(name, signal);
      types.set(name, said[name]?.[0]?.type ?? 'unknown');
    }),
  );
  return hints(expression, new Map([...types].filter(([, type]) => type !== 'unknown')), window);
}

export function Hints({ metrics, expression, window, onFix }: { metrics: MetricsApi; expression: string; window: string; onFix: (expression: string) => void }): JSX.Element | null {
  const [found, setFound] = useState<{ expression: string; hints: Hint[] } | undefined>(undefined);
  useEffect(() => {
    const control = new AbortController();
    find(metrics, expression, window, control.signal).then(
      (hints) => control.signal.aborted || setFound({ expression, hints }),
      () => undefined, // an expression without hints is as good
    );
    return () => control.abort();
  }, [metrics, expression, window]);
  if (found?.expression !== expression || found.hints.length === 0) return null;
  return (
    <ul class="notes" aria-label={english.hints}>
      {found.hints.map(({ text, fix }) => (
        <li key={text}>
          <Mark tone="info" />
          <span>
            {text}{' '}
            {fix && (
              <button type="button" class="link" title={fix.expression} onClick={() => onFix(fix.expression)}>
                {fix.name}
              </button>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
