/** Who did what, newest first. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { auditLog, type AuditEntry } from '../../api/people.ts';
import * as english from '../../english/people.ts';
import { moment, zone } from '../../format/time.ts';
import { Chips, Empty, Failure, Mark, Search } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { describe, isRefusal, isWanted, readWhat, readWhen, WHATS } from './model.ts';

const PAGE = 200;
/** Rows that are worth showing before the next page is asked for by hand. */
const ENOUGH = 30;
/** Pages that are asked for on the way to that many. */
const PAGES_AT_ONCE = 10;

export function Audit({ params }: { params: URLSearchParams }): JSX.Element {
  const user = params.get('user') ?? '';
  const from = params.get('since') ?? '';
  const to = params.get('until') ?? '';
  const what = readWhat(params);
  const words = params.get('q') ?? '';
  const [entries, setEntries] = useState<AuditEntry[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [busy, setBusy] = useState(true);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const wanted = entries.filter((entry) => isWanted(entry, what, words));

  const load = async (known: AuditEntry[], after: string | null, signal?: AbortSignal): Promise<void> => {
    setBusy(true);
    const question = { limit: PAGE, ...(user ? { user } : {}), ...(readWhen(from) ? { from: readWhen(from)! } : {}), ...(readWhen(to) ? { to: readWhen(to)! } : {}) };
    const start = known.filter((entry) => isWanted(entry, what, words)).length;
    try {
      let all = known;
      let cursor = after;
      for (let pages = 0; pages < PAGES_AT_ONCE; pages += 1) {
        const page = await auditLog({ ...question, ...(cursor ? { after: cursor } : {}) }, signal);
        all = [...all, ...page.entries];
        cursor = page.next;
        if (cursor === null || all.filter((entry) => isWanted(entry, what, words)).length >= start + ENOUGH) break;
      }
      setEntries(all);
      setNext(cursor);
      setFailed(undefined);
    } catch (error) {
      if (signal?.aborted) return;
      setFailed(error as Error);
    }
    setBusy(false);
  };
  useEffect(() => {
    const control = new AbortController();
    // What is being typed is not asked for letter by letter.
    const timer = setTimeout(() => void load([], null, control.signal), entries.length === 0 ? 0 : 300);
    return () => (clearTimeout(timer), control.abort());
  }, [user, from, to, what, words]);

  return (
    <>
      <div class="toolbar">
        <Chips label={english.whatLabel} value={what} options={WHATS} onChange={(value) => setParams({ what: value === 'all' ? undefined : value })} />
        <input type="text" class="audit-user" aria-label={english.loginOfWhoDidIt} placeholder={english.login} value={user} autocapitalize="none" autocomplete="off" spellcheck={false} onInput={(event) => setParams({ user: event.currentTarget.value || undefined }, { replace: true })} />
        <label class="muted">
          {english.fromTime} <input type="datetime-local" value={from} onInput={(event) => setParams({ since: event.currentTarget.value || undefined }, { replace: true })} />
        </label>
        <label class="muted">
          {english.toTime} <input type="datetime-local" value={to} onInput={(event) => setParams({ until: event.currentTarget.value || undefined }, { replace: true })} />
        </label>
        <Search value={words} placeholder={english.searchLog} onInput={(q) => setParams({ q: q || undefined }, { replace: true })} />
      </div>
      {failed && <Failure error={failed} />}
      {wanted.length > 0 && (
        <section class="panel table-scroll" aria-label={english.auditLog}>
          <table class="rows" aria-busy={busy}>
            <thead>
              <tr>
                <th>{english.timeIn(zone())}</th>
                <th>{english.whoLabel}</th>
                <th>{english.whatLabel}</th>
                <th class="number">{english.answer}</th>
                <th>{english.fromLabel}</th>
              </tr>
            </thead>
            <tbody>
              {wanted.map((entry, at) => (
                <tr key={`${entry.time} ${at}`}>
                  <td class="mono">{moment(Date.parse(entry.time) / 1000)}</td>
                  <td>
                    <b>{entry.user || '–'}</b>
                  </td>
                  <td class="wide people-what">
                    <Mark tone={isRefusal(entry) ? 'warning' : 'quiet'} /> {describe(entry)}
                  </td>
                  <td class="number">{entry.status}</td>
                  <td class="mono">{entry.address}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {busy && entries.length === 0 && <div class="skeleton skeleton-page" />}
      {!busy && !failed && wanted.length === 0 && <Empty title={english.nothingRecorded}>{english.logIsKept}</Empty>}
      {next !== null && (
        <p class="more">
          <button type="button" class="link" disabled={busy} onClick={() => void load(entries, next)}>
            {busy ? english.looking : english.showOlderEntries}
          </button>
        </p>
      )}
    </>
  );
}
