/** Silences: what is shown, and a draft on its way to being one. */
import { readMatcher, writeMatcher } from '../../alerting/matchers.ts';
import type { Matcher, Silence, SilenceDraft, SilenceState } from '../../api/alertmanager.ts';
import * as english from '../../english/silences.ts';
import { parseDuration, parseTime, writeTime } from '../../format/time.ts';

export const STATES = ['active', 'pending', 'expired'] as const satisfies readonly SilenceState[];

export const readState = (params: URLSearchParams): SilenceState => STATES.find((state) => state === params.get('state')) ?? 'active';

/** Every word occurs in the comment, the author or a matcher. Those that end soonest stand first, expired ones last. */
export function shownSilences(silences: readonly Silence[], state: SilenceState, query: string): Silence[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const ends = (silence: Silence): number => Date.parse(silence.endsAt);
  return silences
    .filter((silence) => silence.status.state === state)
    .filter((silence) => {
      const text = [silence.id, silence.comment, silence.createdBy, ...silence.matchers.map(writeMatcher)].join('\n').toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => (state === 'expired' ? ends(b) - ends(a) : ends(a) - ends(b)));
}

/** What is being filled in. */
export interface Form {
  id?: string;
  matchers: Matcher[];
  /** When it began or begins, as the server wrote it; without it, from now on. */
  startsAt?: string;
  /** A duration such as `2h`, or a point in time. */
  until: string;
  createdBy: string;
  comment: string;
}

export const DURATIONS = ['30m', '2h', '8h', '1d', '3d', '1w'] as const;

/** A silence that begins now says that it began so many seconds ago, lest a clock that is ahead makes it wait: the server takes its own now. */
const CLOCKS_APART_SECONDS = 60;

export function formFrom(params: URLSearchParams, createdBy: string): Form {
  return { matchers: params.getAll('m').flatMap((text) => readMatcher(text) ?? []), until: '2h', createdBy, comment: '' };
}

export const formOf = (silence: Silence): Form => ({
  // An expired one cannot be changed: it is made anew, for as long as it was.
  ...(silence.status.state === 'expired' ? {} : { id: silence.id, startsAt: silence.startsAt }),
  matchers: silence.matchers,
  until: silence.status.state === 'expired' ? `${Math.max(60, Math.round((Date.parse(silence.endsAt) - Date.parse(silence.startsAt)) / 1000))}s` : silence.endsAt,
  createdBy: silence.createdBy,
  comment: silence.comment,
});

const startOf = (form: Form, now: number): number => (form.startsAt === undefined ? now : Date.parse(form.startsAt) / 1000);

/** When the form's silence ends, in seconds. */
export function endOf(form: Form, now: number): number | undefined {
  const length = parseDuration(form.until.trim());
  return length === undefined ? parseTime(form.until.trim()) : Math.max(startOf(form, now), now) + length;
}

/** The silence, or what is still missing. */
export function draftOf(form: Form, now: number): SilenceDraft | string {
  if (form.matchers.length === 0) return english.noMatcher;
  if (form.matchers.every((matcher) => mayBeEmpty(matcher))) return english.matchesEverything;
  const end = endOf(form, now);
  if (end === undefined) return english.noEnd;
  if (end <= now) return english.endIsPast;
  if (end <= startOf(form, now)) return english.endBeforeBeginning;
  if (form.createdBy.trim() === '') return english.noAuthor;
  if (form.comment.trim() === '') return english.noComment;
  return {
    ...(form.id === undefined ? {} : { id: form.id }),
    matchers: form.matchers,
    // As it was, to the last digit: another start would be another silence, and a gap between the two.
    startsAt: form.startsAt ?? writeTime(now - CLOCKS_APART_SECONDS),
    endsAt: writeTime(end),
    createdBy: form.createdBy.trim(),
    comment: form.comment.trim(),
  };
}

/** Whether a matcher also matches alerts that lack its label. */
function mayBeEmpty({ value, isEqual, isRegex }: Matcher): boolean {
  if (!isRegex) return isEqual === (value === '');
  try {
    return new RegExp(`^(?:${value})$`, 's').test('') === isEqual;
  } catch {
    return false; // The server says what is wrong with it.
  }
}
