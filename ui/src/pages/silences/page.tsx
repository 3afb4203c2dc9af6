/** What is kept quiet, by whom, why and for how long; and how to keep more quiet. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { author, rememberAuthor } from '../../alerting/author.ts';
import { MatcherField } from '../../alerting/matcher-field.tsx';
import { vocabulary, writeMatcher } from '../../alerting/matchers.ts';
import { AlertingTabs } from '../../alerting/tabs.tsx';
import { alertmanager, type Silence } from '../../api/alertmanager.ts';
import { serverNow } from '../../api/client.ts';
import type { PageProps } from '../../app.tsx';
import { duration, moment, zone } from '../../format/time.ts';
import { Chips, Empty, Failure, LabelList, Mark, Search, type Tone } from '../../parts/parts.tsx';
import { link, setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { useMay } from '../../state/offers.ts';
import { DURATIONS, draftOf, endOf, formFrom, formOf, readState, shownSilences, STATES, type Form } from './model.ts';

const SHOWN = 100;
const PREVIEWED = 20;

export function Silences({ place, tick, refresh }: PageProps): JSX.Element {
  const { data: silences, error } = useLoad('silences', tick, (signal) => alertmanager.silences(signal));
  const state = readState(place.params);
  const query = place.params.get('q') ?? '';
  const edited = place.params.get('edit');
  const may = useMay('edit');
  const creating = place.params.has('new') && may;
  const [limit, setLimit] = useState(SHOWN);
  const shown = silences && shownSilences(silences, state, query);
  const silence = edited === null ? undefined : silences?.find(({ id }) => id === edited);
  const close = (): void => setParams({ new: undefined, edit: undefined, m: undefined });
  const done = (): void => {
    close();
    refresh();
  };

  return (
    <main class="page">
      <h1 class="hidden">Silences</h1>
      <AlertingTabs current="silences" />
      {creating && <Editor key="new" start={() => formFrom(place.params, author())} onDone={done} onCancel={close} tick={tick.now} />}
      {silence && may && <Editor key={silence.id} start={() => formOf(silence)} onDone={done} onCancel={close} tick={tick.now} />}
      {edited !== null && silences && !silence && <Failure error={new Error(`There is no silence ${edited} any more.`)} />}
      <div class="toolbar">
        <Chips
          label="State"
          value={state}
          onChange={(value) => setParams({ state: value === 'active' ? undefined : value })}
          options={STATES.map((value) => ({ value, text: value[0]!.toUpperCase() + value.slice(1), count: silences?.filter((other) => other.status.state === value).length ?? 0 }))}
        />
        <Search value={query} placeholder="Search comments, authors, matchers" onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
        {may && !creating && (
          <button type="button" class="button button-strong toolbar-end" onClick={() => setParams({ new: '1', edit: undefined })}>
            New silence
          </button>
        )}
      </div>
      {error && <Failure error={error} />}
      {!silences && !error && <div class="skeleton skeleton-page" />}
      {shown?.length === 0 && (
        <Empty title={query !== '' ? 'No silence matches' : state === 'active' ? 'Nothing is silenced' : state === 'pending' ? 'No silence is about to begin' : 'No silence has expired lately'}>
          {query === '' && state === 'active' && may && 'Silence an alert from the Alerts page, or make one here before planned work.'}
        </Empty>
      )}
      {shown && shown.length > 0 && (
        <section class="group" aria-label="Silences">
          {shown.slice(0, limit).map((each) => (
            <SilenceRow key={each.id} silence={each} may={may} now={tick.now} onChange={refresh} />
          ))}
        </section>
      )}
      {shown && shown.length > limit && (
        <p class="more">
          Showing {limit} of {shown.length}.{' '}
          <button type="button" class="link" onClick={() => setLimit(shown.length)}>
            Show all
          </button>
        </p>
      )}
    </main>
  );
}

const TONES: Record<Silence['status']['state'], Tone> = { active: 'info', pending: 'quiet', expired: 'quiet' };

function SilenceRow({ silence, may, now, onChange }: { silence: Silence; may: boolean; now: number; onChange: () => void }): JSX.Element {
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [asked, setAsked] = useState(false);
  const { state } = silence.status;
  const [starts, ends] = [Date.parse(silence.startsAt) / 1000, Date.parse(silence.endsAt) / 1000];
  const expire = (): void => {
    setAsked(false);
    alertmanager.expireSilence(silence.id).then(onChange, (error: Error) => setFailed(error));
  };
  return (
    <article class="row-box silence">
      <div class="row silence-row">
        <span class={`row-state state-${state}`}>
          <Mark tone={TONES[state]} />
          {state}
        </span>
        <span class="silence-text">
          <span class="matcher-list">
            {silence.matchers.map((matcher) => (
              <code class="matcher mono" key={writeMatcher(matcher)}>
                {writeMatcher(matcher)}
              </code>
            ))}
          </span>
          <span>
            {silence.comment} <span class="muted">– {silence.createdBy}</span>
          </span>
        </span>
        <span class="row-end muted" title={`${moment(starts)} to ${moment(ends)}`}>
          {state === 'active' ? `ends in ${duration(Math.max(0, Math.round(ends - now)))}` : state === 'pending' ? `begins in ${duration(Math.max(0, Math.round(starts - now)))}` : `ended ${duration(Math.max(0, Math.round(now - ends)))} ago`}
        </span>
        <span class="row-actions">
          <a class="button" href={link('alerts', { state: ['active', 'silenced'], m: silence.matchers.map(writeMatcher) })}>
            Alerts
          </a>
          {may && (
            <button type="button" class="button" onClick={() => setParams({ edit: silence.id, new: undefined, m: undefined })}>
              {state === 'expired' ? 'Make again' : 'Edit'}
            </button>
          )}
          {may &&
            state !== 'expired' &&
            (asked ? (
              <button type="button" class="button button-critical" onClick={expire} onBlur={() => setAsked(false)} ref={(button) => button?.focus()}>
                Really expire
              </button>
            ) : (
              <button type="button" class="button" onClick={() => setAsked(true)}>
                Expire
              </button>
            ))}
        </span>
      </div>
      {failed && <Failure error={failed} compact />}
    </article>
  );
}

function Editor({ start, onDone, onCancel, tick }: { start: () => Form; onDone: () => void; onCancel: () => void; tick: number }): JSX.Element {
  const [form, setForm] = useState(start);
  const [tried, setTried] = useState(false);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [broad, setBroad] = useState(false);
  const filter = form.matchers.map(writeMatcher);
  // All alerts offer their names; those that match are what would be silenced.
  const all = useLoad('alerts to complete from', 0, (signal) => alertmanager.alerts([], signal));
  const matched = useLoad(filter.length === 0 ? null : `matched ${JSON.stringify(filter)}`, tick, (signal) => alertmanager.alerts(filter, signal));
  const names = useMemo(() => vocabulary(all.data ?? []), [all.data]);
  const draft = draftOf(form, serverNow());
  const end = endOf(form, serverNow());
  const set = (change: Partial<Form>): void => setForm((last) => ({ ...last, ...change }));
  const save = (event: Event, force = false): void => {
    event.preventDefault();
    setTried(true);
    setBroad(false);
    if (typeof draft === 'string' || busy) return;
    setBusy(true);
    alertmanager.setSilence(draft, force).then(
      () => {
        rememberAuthor(draft.createdBy);
        onDone();
      },
      (error: Error) => (setBusy(false), setFailed(error), setBroad(/force/.test(error.message))),
    );
  };
  const count = matched.data?.length ?? 0;
  const share = all.data && all.data.length > 0 ? count / all.data.length : 0;

  return (
    <form class="group editor" onSubmit={save} aria-label={form.id ? 'Edit silence' : 'New silence'}>
      <header class="group-head">
        <h2>{form.id ? 'Edit silence' : 'New silence'}</h2>
      </header>
      <div class="editor-fields">
        <label class="editor-label">Alerts with</label>
        <MatcherField label="Matchers" placeholder='alertname="…"' value={form.matchers} names={names} onChange={(matchers) => set({ matchers })} />
        <label class="editor-label" for="silence-until">
          For
        </label>
        <div class="editor-line">
          <input id="silence-until" type="text" value={form.until} onInput={(event) => set({ until: event.currentTarget.value })} spellcheck={false} />
          {DURATIONS.map((text) => (
            <button key={text} type="button" class="chip" aria-pressed={form.until === text} onClick={() => set({ until: text })}>
              {text}
            </button>
          ))}
          {end !== undefined && (
            <span class="muted">
              until {moment(end)} {zone()}
            </span>
          )}
        </div>
        <label class="editor-label" for="silence-author">
          By
        </label>
        <input id="silence-author" type="text" value={form.createdBy} autocomplete="name" onInput={(event) => set({ createdBy: event.currentTarget.value })} />
        <label class="editor-label" for="silence-comment">
          Because
        </label>
        <textarea id="silence-comment" rows={2} value={form.comment} onInput={(event) => set({ comment: event.currentTarget.value })} />
      </div>
      <div class="preview" aria-live="polite">
        {filter.length === 0 ? (
          <p class="muted">Matchers decide which alerts are silenced.</p>
        ) : matched.error ? (
          <Failure error={matched.error} compact />
        ) : matched.waiting ? (
          <p class="muted">Looking for alerts that match …</p>
        ) : (
          <>
            <p class={share > 0.8 && count > 5 ? 'text-critical' : ''}>
              {count === 0 ? 'No alert matches now; those to come will be silenced.' : `Silences ${count} of ${all.data?.length ?? count} alerts that are there now.`}
              {share > 0.8 && count > 5 && ' That is nearly everything.'}
            </p>
            {matched.data?.slice(0, PREVIEWED).map((alert) => (
              <p key={alert.fingerprint}>
                <LabelList labels={alert.labels} />
              </p>
            ))}
            {count > PREVIEWED && <p class="muted">… and {count - PREVIEWED} more</p>}
          </>
        )}
      </div>
      {tried && typeof draft === 'string' && <Failure error={new Error(draft)} compact />}
      {failed && <Failure error={failed} compact />}
      <div class="editor-end">
        <button type="submit" class="button button-strong" disabled={busy}>
          {form.id ? 'Save' : 'Silence'}
        </button>
        {broad && (
          <button type="button" class="button button-critical" disabled={busy} onClick={(event) => save(event, true)}>
            Silence all of it
          </button>
        )}
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
