/** The dashboard's time: a range as Grafana writes it, the time zone, and how often it is asked anew. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { serverNow } from '../../api/client.ts';
import type { Dashboard } from '../../dashboard/model.ts';
import { writeView, type View } from '../../dashboard/state.ts';
import { describeRange, QUICK_RANGES, resolveTime, type TimeOptions, type TimeRange } from '../../dashboard/time.ts';
import * as english from '../../english/dashboard.ts';
import { duration } from '../../format/time.ts';
import { Popover } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { shift, zoomOut, type Range, type Span } from '../../state/range.ts';

const REFRESHES = ['5s', '10s', '30s', '1m', '5m', '15m', '30m', '1h', '2h', '1d'];
const milliseconds = (range: Range): TimeRange =>
  range.kind === 'fixed' ? { from: String(Math.round(range.from * 1000)), to: String(Math.round(range.to * 1000)) } : { from: range.kind === 'last' ? `now-${range.seconds}s` : 'now-1h', to: 'now' };

export const showRange = (range: TimeRange): void => setParams(writeView({ range }));
export const shiftRange = (span: Span, direction: -1 | 1): void => showRange(milliseconds(shift(span, direction, serverNow())));

/** Twice as long; what ends now keeps ending now, in the same way of writing it. */
export function widerRange(range: TimeRange, span: Span): TimeRange {
  const relative = range.to === 'now' && range.from.startsWith('now-');
  const wider = milliseconds(zoomOut(relative ? { kind: 'last', seconds: span.to - span.from } : { kind: 'fixed', ...span }, span, serverNow()));
  if (!relative) return wider;
  const seconds = Math.round((span.to - span.from) * 2);
  const [unit, size] = ([['d', 86_400], ['h', 3600], ['m', 60]] as const).find(([, each]) => seconds % each === 0) ?? (['s', 1] as const);
  return { from: `now-${seconds / size}${unit}`, to: 'now' };
}

interface Props {
  view: View;
  span: Span;
  dashboard: Dashboard;
  options: TimeOptions;
  onRefresh: () => void;
}

export function TimePicker({ view, span, dashboard, options, onRefresh }: Props): JSX.Element {
  const live = /now/.test(view.range.to);
  const intervals = dashboard.timepicker.refresh_intervals?.length ? dashboard.timepicker.refresh_intervals : REFRESHES;
  return (
    <>
      {!dashboard.timepicker.hidden && (
        <div class="joined">
          <button type="button" class="button button-icon" aria-label={english.earlier} title={english.earlierHint} onClick={() => shiftRange(span, -1)}>
            ‹
          </button>
          <Popover label={english.timeRangeIs(describeRange(view.range, view.timeZone))} align="right" button={describeRange(view.range, view.timeZone)}>
            {(close) => <RangeBox view={view} options={options} close={close} />}
          </Popover>
          <button type="button" class="button button-icon" aria-label={english.later} title={english.laterHint} disabled={live} onClick={() => shiftRange(span, 1)}>
            ›
          </button>
          <button type="button" class="button button-icon" aria-label={english.zoomOut} title={english.zoomOutHint} onClick={() => showRange(widerRange(view.range, span))}>
            −
          </button>
        </div>
      )}
      <div class="joined">
        <button type="button" class="button button-icon" aria-label={english.refreshNow} title={english.refreshHint} onClick={onRefresh}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M13.6 3v4h-4l1.6-1.6A4.5 4.5 0 1 0 12.4 9H14a6 6 0 1 1-1.7-4.7z" />
          </svg>
        </button>
        <select class="button" aria-label={english.refreshInterval} title={english.refreshInterval} value={view.refresh} onChange={(event) => setParams(writeView({ refresh: event.currentTarget.value }))}>
          {[...new Set(['', 'auto', ...intervals, view.refresh])].map((interval) => (
            <option key={interval} value={interval} selected={interval === view.refresh}>
              {interval === '' ? english.off : interval}
            </option>
          ))}
        </select>
      </div>
    </>
  );
}

/** What stands in the fields: Grafana's own words for what moves with the time, else the local time. */
const shownTime = (text: string, options: TimeOptions): string => {
  if (text.includes('now')) return text;
  const seconds = resolveTime(text, options);
  return seconds === undefined ? text : localText(seconds, options.timeZone);
};

/** `2026-11-21 02:41:05` in a time zone. */
export function localText(seconds: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    ...(timeZone === 'browser' ? {} : { timeZone: timeZone === 'utc' ? 'UTC' : timeZone }),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(seconds * 1000);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')}`;
}

function RangeBox({ view, options, close }: { view: View; options: TimeOptions; close: () => void }): JSX.Element {
  const [from, setFrom] = useState(() => shownTime(view.range.from, options));
  const [to, setTo] = useState(() => shownTime(view.range.to, options));
  const [words, setWords] = useState('');
  const start = resolveTime(from.trim(), options);
  const end = resolveTime(to.trim(), options, true);
  const valid = start !== undefined && end !== undefined && start < end;
  const said =
    start === undefined ? english.fromIsNoTime(from) : end === undefined ? english.toIsNoTime(to) : start < end ? duration(end - start) : english.endBeforeBeginning;
  const zones = useMemo(timeZones, []);
  const written = (text: string, seconds: number): string => (text.includes('now') ? text.trim() : String(Math.round(seconds * 1000)));
  const quick = QUICK_RANGES.filter(({ text }) => text.toLowerCase().includes(words.toLowerCase()));
  return (
    <div class="range-box board-range">
      <form
        class="range-fixed board-range-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!valid) return;
          showRange({ from: written(from, start), to: written(to, end) });
          close();
        }}
      >
        <label>
          {english.fromLabel}
          <input value={from} aria-invalid={start === undefined} spellcheck={false} autocomplete="off" onInput={(event) => setFrom(event.currentTarget.value)} />
        </label>
        <label>
          {english.toLabel}
          <input value={to} aria-invalid={end === undefined} spellcheck={false} autocomplete="off" onInput={(event) => setTo(event.currentTarget.value)} />
        </label>
        <p class={valid ? 'muted' : 'text-critical'}>{said}</p>
        <button type="submit" class="button button-strong" disabled={!valid}>
          {english.show}
        </button>
        <label>
          {english.timeZone}
          <select value={view.timeZone} onChange={(event) => setParams(writeView({ timeZone: event.currentTarget.value }))}>
            {[...new Set(['browser', 'utc', view.timeZone, ...zones])].map((name) => (
              <option key={name} value={name} selected={name === view.timeZone}>
                {name === 'browser' ? english.browserZone(Intl.DateTimeFormat().resolvedOptions().timeZone) : name === 'utc' ? 'UTC' : name}
              </option>
            ))}
          </select>
        </label>
      </form>
      <div class="range-presets">
        <input type="search" class="board-range-search" aria-label={english.searchRanges} placeholder={english.searchRanges} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
        <div class="board-range-list">
          {quick.map((range) => (
            <button
              type="button"
              key={`${range.from} ${range.to}`}
              class="menu-item"
              aria-pressed={range.from === view.range.from && range.to === view.range.to}
              onClick={() => (showRange({ from: range.from, to: range.to }), close())}
            >
              {range.text}
            </button>
          ))}
        </div>
      </div>
    </div>
  );
}

function timeZones(): string[] {
  try {
    return Intl.supportedValuesOf('timeZone');
  } catch {
    return [];
  }
}
