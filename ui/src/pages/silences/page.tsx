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
import * as english from '../../english/silences.ts';
import { titled } from '../../english/words.ts';
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
      <h1 class="hidden">{english.silences}</h1>
      <AlertingTabs current="silences" />
      {creating && <Editor key="new" start={() => formFrom(place.params, author())} onDone={done} onCancel={close} tick={tick.now} />}
      {silence && may && <Editor key={silence.id} start={() => formOf(silence)} onDone={done} onCancel={close} tick={tick.now} />}
      {edited !== null && silences && !silence && <Failure error={new Error(english.isGone(edited))} />}
      <div class="toolbar">
        <Chips
          label={english.state}
          value={state}
          onChange={(value) => setParams({ state: value === 'active' ? undefined : value })}
          options={STATES.map((value) => ({ value, text: titled(value), count: silences?.filter((other) => other.status.state === value).length ?? 0 }))}
        />
        <Search value={query} placeholder={english.searchPlaceholder} onInput={(q) => setParams({ q: q === '' ? undefined : q }, { replace: true })} />
        {may && !creating && (
          <button type="button" class="button button-strong toolbar-end" onClick={() => setParams({ new: '1', edit: undefined })}>
            {english.newSilence}
          </button>
        )}
      </div>
      {error && <Failure error={error} />}
      {!silences && !error && <div class="skeleton skeleton-page" />}
      {shown?.length === 0 && (
        <Empty title={query !== '' ? english.noneMatches : state === 'active' ? english.noneActive : state === 'pending' ? english.nonePending : english.noneExpired}>
          {query === '' && state === 'active' && may && english.howToSilence}
        </Empty>
      )}
      {shown && shown.length > 0 && (
        <section class="group" aria-label={english.silences}>
          {shown.slice(0, limit).map((each) => (
            <SilenceRow key={each.id} silence={each} may={may} now={tick.now} onChange={refresh} />
          ))}
        </section>
      )}
      {shown && shown.length > limit && (
        <p class="more">
          {english.showingSome(limit, shown.length)}{' '}
          <button type="button" class="link" onClick={() => setLimit(shown.length)}>
            {english.showAll}
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
        <span class="row-end muted" title={english.timeFromTo(moment(starts), moment(ends))}>
          {state === 'active' ? english.endsIn(duration(Math.max(0, Math.round(ends - now)))) : state === 'pending' ? english.beginsIn(duration(Math.max(0, Math.round(starts - now)))) : english.endedAgo(duration(Math.max(0, Math.round(now - ends))))}
        </span>
        <span class="row-actions">
          <a class="button" href={link('alerts', { state: ['active', 'silenced'], m: silence.matchers.map(writeMatcher) })}>
            {english.alerts}
          </a>
          {may && (
            <button type="button" class="button" onClick={() => setParams({ edit: silence.id, new: undefined, m: undefined })}>
              {state === 'expired' ? english.makeAgain : english.edit}
            </button>
          )}
          {may &&
            state !== 'expired' &&
            (asked ? (
              <button type="button" class="button button-critical" onClick={expire} onBlur={() => setAsked(false)} ref={(button) => button?.focus()}>
                {english.expireQuestion}
              </button>
            ) : (
              <button type="button" class="button" onClick={() => setAsked(true)}>
                {english.expire}
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
    <form class="group editor" onSubmit={save} aria-label={form.id ? english.editSilence : english.newSilence}>
      <header class="group-head">
        <h2>{form.id ? english.editSilence : english.newSilence}</h2>
      </header>
      <div class="editor-fields">
        <label class="editor-label">{english.matchersLabel}</label>
        <MatcherField label={english.matchers} placeholder='alertname="…"' value={form.matchers} names={names} onChange={(matchers) => set({ matchers })} />
        <label class="editor-label" for="silence-until">
          {english.forLabel}
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
              {english.untilTime(moment(end), zone())}
            </span>
          )}
        </div>
        <label class="editor-label" for="silence-author">
          {english.byLabel}
        </label>
        <input id="silence-author" type="text" value={form.createdBy} autocomplete="name" onInput={(event) => set({ createdBy: event.currentTarget.value })} />
        <label class="editor-label" for="silence-comment">
          {english.commentLabel}
        </label>
        <textarea id="silence-comment" rows={2} value={form.comment} onInput={(event) => set({ comment: event.currentTarget.value })} />
      </div>
      <div class="preview" aria-live="polite">
        {filter.length === 0 ? (
          <p class="muted">{english.matchersHint}</p>
        ) : matched.error ? (
          <Failure error={matched.error} compact />
        ) : matched.waiting ? (
          <p class="muted">{english.looking}</p>
        ) : (
          <>
            <p class={share > 0.8 && count > 5 ? 'text-critical' : ''}>
              {count === 0 ? english.noAlertMatchesNow : english.silencesAlerts(count, all.data?.length ?? count)}
              {share > 0.8 && count > 5 && english.nearlyEverything}
            </p>
            {matched.data?.slice(0, PREVIEWED).map((alert) => (
              <p key={alert.fingerprint}>
                <LabelList labels={alert.labels} />
              </p>
            ))}
            {count > PREVIEWED && <p class="muted">{english.andMore(count - PREVIEWED)}</p>}
          </>
        )}
      </div>
      {tried && typeof draft === 'string' && <Failure error={new Error(draft)} compact />}
      {failed && <Failure error={failed} compact />}
      <div class="editor-end">
        <button type="submit" class="button button-strong" disabled={busy}>
          {form.id ? english.save : english.silence}
        </button>
        {broad && (
          <button type="button" class="button button-critical" disabled={busy} onClick={(event) => save(event, true)}>
            {english.silenceAllTheSame}
          </button>
        )}
        <button type="button" class="button" onClick={onCancel}>
          {english.cancel}
        </button>
      </div>
    </form>
  );
}
