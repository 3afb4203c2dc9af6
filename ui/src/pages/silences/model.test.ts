import { expect, test } from 'vitest';
import { readMatcher } from '../../alerting/matchers.ts';
import type { Silence } from '../../api/alertmanager.ts';
import { draftOf, formOf, shownSilences, type Form } from './model.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z') / 1000;
const form = (change: Partial<Form>): Form => ({ matchers: [readMatcher('a=b')!], until: '2h', createdBy: 'me', comment: 'why', ...change });
const silence = (id: string, change: Partial<Silence>): Silence => ({
  id,
  status: { state: 'active' },
  matchers: [readMatcher('a=b')!],
  startsAt: '2026-11-21T10:00:00Z',
  endsAt: '2026-11-21T13:00:00Z',
  updatedAt: '2026-11-21T10:00:00Z',
  createdBy: 'me',
  comment: 'upgrade',
  ...change,
});

test('a draft ends after its duration, or at the time that was named', () => {
  expect(draftOf(form({}), NOW)).toMatchObject({ endsAt: '2026-11-21T14:00:00Z' });
  expect(draftOf(form({ until: '2026-11-22T08:00:00Z' }), NOW)).toMatchObject({ endsAt: '2026-11-22T08:00:00Z' });
});

test('one that begins now does not wait for a clock that is behind this one', () => {
  expect(draftOf(form({}), NOW)).toMatchObject({ startsAt: '2026-11-21T11:59:00Z' });
});

test('what is missing is said', () => {
  const cases: [Partial<Form>, RegExp][] = [
    [{ matchers: [] }, /at least one label/],
    [{ matchers: [readMatcher('a=~".*"')!, readMatcher('b=""')!] }, /must need a label/],
    [{ until: 'soon' }, /how long/],
    [{ until: '2026-11-21T11:00:00Z' }, /ended already/],
    [{ createdBy: ' ' }, /who/],
    [{ comment: '' }, /why/],
  ];
  for (const [change, said] of cases) expect(draftOf(form(change), NOW)).toMatch(said);
});

test('an active silence is changed in place, an expired one is made anew', () => {
  const startsAt = '2026-11-21T10:00:00.789Z';
  expect(draftOf(formOf(silence('1', { startsAt })), NOW)).toMatchObject({ id: '1', startsAt });
  const again = formOf(silence('1', { status: { state: 'expired' } }));
  expect(again.id).toBeUndefined();
  expect(draftOf(again, NOW)).toMatchObject({ endsAt: '2026-11-21T15:00:00Z' });
});

test('silences are found by comment, author and matcher; the one that ends first stands first', () => {
  const silences = [silence('late', { endsAt: '2026-11-21T18:00:00Z' }), silence('soon', {}), silence('other', { comment: 'x', status: { state: 'expired' } })];
  expect(shownSilences(silences, 'active', 'UPGRADE a="b"').map(({ id }) => id)).toEqual(['soon', 'late']);
  expect(shownSilences(silences, 'expired', '').map(({ id }) => id)).toEqual(['other']);
});
