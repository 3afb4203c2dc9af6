/** The time range and the refresh interval, in the header. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { serverNow } from './api/client.ts';
import * as english from './english/frame.ts';
import { clock, duration, localInput, parseDuration, zone } from './format/time.ts';
import { Popover } from './parts/parts.tsx';
import { setParams } from './router.ts';
import { describe, PRESETS, shift, writeRange, zoomOut, type Range, type Span } from './state/range.ts';
import { INTERVALS } from './state/refresh.ts';

interface Props {
  /** Whether the page looks at a stretch of time at all. */
  timed: boolean;
  range: Range;
  span: Span;
  /** The axis begins later than the range, where the data does. */
  fitted: boolean;
  refreshing: string;
  fallback: string;
  onRefresh: () => void;
}

export function TimeControls({ timed, range, span, fitted, refreshing, fallback, onRefresh }: Props): JSX.Element {
  const go = (to: Range): void => setParams(writeRange(to));
  return (
    <>
      {timed && (
        <div class="joined">
          <button type="button" class="button button-icon" aria-label={english.earlier} title={english.earlierHint} onClick={() => go(shift(span, -1, serverNow()))}>
            ‹
          </button>
          <Popover
            label={english.timeRangeIs(describe(range), fitted ? english.fromData(clock(span.from)) : '')}
            align="right"
            button={
              <>
                {describe(range)}{fitted && ' '}
                {fitted && <span class="muted fitted" title={english.axisBeginsWithData}>{english.from(clock(span.from))}</span>}
              </>
            }
          >
            {(close) => <RangeBox range={range} span={span} go={(to) => (go(to), close())} />}
          </Popover>
          <button type="button" class="button button-icon" aria-label={english.later} title={english.laterHint} disabled={range.kind !== 'fixed'} onClick={() => go(shift(span, 1, serverNow()))}>
            ›
          </button>
          <button type="button" class="button button-icon" aria-label={english.zoomOut} title={english.zoomOutHint} onClick={() => go(zoomOut(range, span, serverNow()))}>
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
        <select
          class="button"
          aria-label={english.refreshInterval}
          title={english.refreshInterval}
          value={refreshing}
          onChange={(event) => setParams({ refresh: event.currentTarget.value === fallback ? undefined : event.currentTarget.value })}
        >
          {[...new Set([...INTERVALS, refreshing])].map((interval) => (
            <option key={interval} value={interval} selected={interval === refreshing}>
              {interval}
            </option>
          ))}
        </select>
      </div>
    </>
  );
}

function RangeBox({ range, span, go }: { range: Range; span: Span; go: (range: Range) => void }): JSX.Element {
  const [from, setFrom] = useState(localInput(span.from));
  const [to, setTo] = useState(localInput(span.to));
  const fromSeconds = Date.parse(from) / 1000;
  const toSeconds = Date.parse(to) / 1000;
  const valid = fromSeconds < toSeconds;
  return (
    <div class="range-box">
      <div class="range-presets">
        {PRESETS.map((preset) => {
          const seconds = parseDuration(preset)!;
          return (
            <button type="button" key={preset} class="menu-item" aria-pressed={range.kind === 'last' && range.seconds === seconds} onClick={() => go({ kind: 'last', seconds })}>
              {english.lastDuration(duration(seconds))}
            </button>
          );
        })}
        <button type="button" class="menu-item" aria-pressed={range.kind === 'start'} onClick={() => go({ kind: 'start' })}>
          {english.sinceStart}
        </button>
      </div>
      <form
        class="range-fixed"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) go({ kind: 'fixed', from: fromSeconds, to: toSeconds });
        }}
      >
        <label>
          {english.fromLabel}
          <input type="datetime-local" step="1" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
        </label>
        <label>
          {english.toLabel}
          <input type="datetime-local" step="1" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
        </label>
        <p class="muted">{valid ? `${duration(toSeconds - fromSeconds)}, ${zone()}` : english.endBeforeBeginning}</p>
        <button type="submit" class="button button-strong" disabled={!valid}>
          {english.show}
        </button>
      </form>
    </div>
  );
}
