/** What was answered for one moment, as a table. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import * as english from '../../english/explore.ts';
import { clock } from '../../format/time.ts';
import { exact } from '../../format/units.ts';
import { Empty, LabelList } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { ROWS_SHOWN, sortRows, toRows, type Order } from './results.ts';

export const readOrder = (params: URLSearchParams): Order => (params.get('sort') === 'down' ? 'down' : params.get('sort') === 'up' ? 'up' : 'none');
const NEXT_ORDER: Record<Order, Order> = { none: 'down', down: 'up', up: 'none' };

export function TableView({ outcomes, order, several }: { outcomes: Parameters<typeof toRows>[0]; order: Order; several: boolean }): JSX.Element {
  const [limit, setLimit] = useState(ROWS_SHOWN);
  const all = useMemo(() => toRows(outcomes), [outcomes]);
  const rows = useMemo(() => sortRows(all, order), [all, order]);
  // In another order other rows come first.
  useLayoutEffect(() => setLimit(ROWS_SHOWN), [order]);
  const end = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (!end.current) return;
    const observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && setLimit((last) => last + ROWS_SHOWN), { rootMargin: '50% 0px' });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [limit, rows.length > limit]);
  if (rows.length === 0) {
    return outcomes.every(({ error }) => error) ? <Empty title={english.nothingToList}>{english.seeErrorAbove}</Empty> : <Empty title={english.noSeries}>{english.nothingMatchesNow}</Empty>;
  }
  return (
    <div class="table-scroll">
      <table class="rows result-table">
        <thead>
          <tr>
            {several && <th />}
            <th class="wide">{english.seriesCount(rows.length.toLocaleString('en'))}</th>
            <th class="number" aria-sort={order === 'none' ? 'none' : order === 'up' ? 'ascending' : 'descending'}>
              <button type="button" class="link" onClick={() => setParams({ sort: NEXT_ORDER[order] === 'none' ? undefined : NEXT_ORDER[order] })}>
                {english.valueOfQuery(order === 'down' ? '↓' : order === 'up' ? '↑' : '')}
              </button>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, limit).map((row, index) => (
            <tr key={index}>
              {several && <td class="muted mono">{row.letter}</td>}
              <td class="wide mono">
                {row.labels['__name__'] && <span class="metric">{row.labels['__name__']}</span>}
                <LabelList labels={row.labels} omit={['__name__']} />
                {Object.keys(row.labels).length === 0 && <span class="muted">{'{}'}</span>}
              </td>
              <td class="number mono">
                {row.values.slice(0, 50).map(({ value, time }) => (
                  <div key={time}>
                    {exact(value)}
                    {time !== undefined && <span class="muted"> {clock(time)}</span>}
                  </div>
                ))}
                {row.values.length > 50 && <div class="muted">{english.andMore(row.values.length - 50)}</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > limit && (
        <p class="more" ref={end}>
          {english.showingSomeSeries(limit.toLocaleString('en'), rows.length.toLocaleString('en'))}
        </p>
      )}
    </div>
  );
}
