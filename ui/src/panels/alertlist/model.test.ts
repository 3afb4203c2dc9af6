import { describe, expect, test } from 'vitest';
import type { Alert, AlertingRule, RuleGroup } from '../../api/types.ts';
import { listAnnotations, padMs } from '../annolist/model.ts';
import { groupAlerts, listHeld, listRules, matchesAll, readMatchers, sortRules, type Wanted } from './model.ts';

const alert = (state: Alert['state'], labels: Record<string, string>, activeAt = '2026-11-21T10:00:00Z'): Alert => ({ state, labels, annotations: { summary: 's' }, activeAt, value: '1' });
const rule = (name: string, alerts: Alert[], health: AlertingRule['health'] = 'ok'): AlertingRule => ({ type: 'alerting', name, query: 'x', health, state: 'inactive', duration: 0, alerts, ...(health === 'err' ? { lastError: 'boom' } : {}) });
const groups: RuleGroup[] = [
  {
    name: 'g',
    file: 'f.yml',
    interval: 15,
    rules: [
      rule('Quiet', []),
      rule('Down', [alert('firing', { severity: 'critical', job: 'a' }), alert('pending', { severity: 'critical', job: 'b' }, '2026-11-21T11:00:00Z')]),
      rule('Broken', [], 'err'),
      rule('Almost', [alert('pending', { severity: 'info', job: 'a' }, '2026-11-21T12:00:00Z')]),
      { type: 'recording', name: 'r', query: 'x', health: 'ok' },
    ],
  },
];
const all: Wanted = { states: { firing: true, pending: true, error: true, normal: true }, name: '', matchers: [] };
const names = (wanted: Partial<Wanted>): string[] => listRules(groups, { ...all, ...wanted }).map(({ name, alerts }) => `${name} ${alerts.length}`);

describe('rules', () => {
  test('are listed by state', () => {
    expect(names({})).toEqual(['Quiet 0', 'Down 2', 'Broken 0', 'Almost 1']);
    expect(names({ states: { firing: true, pending: false, error: false, normal: false } })).toEqual(['Down 1']);
    expect(names({ states: { firing: false, pending: false, error: true, normal: false } })).toEqual(['Broken 0']);
    expect(names({ states: { firing: false, pending: false, error: false, normal: true } })).toEqual(['Quiet 0']);
  });
  test('are filtered by name and labels', () => {
    expect(names({ name: 'DOWN' })).toEqual(['Down 2']);
    expect(names({ matchers: readMatchers('{job="a"}'), states: { ...all.states, normal: false, error: false } })).toEqual(['Down 1', 'Almost 1']);
  });
  test('are sorted by name, importance or time', () => {
    const sorted = (order: number): string[] => sortRules(listRules(groups, all), order).map(({ name }) => name);
    expect(sorted(1)).toEqual(['Almost', 'Broken', 'Down', 'Quiet']);
    expect(sorted(2)).toEqual(['Quiet', 'Down', 'Broken', 'Almost']);
    expect(sorted(3)).toEqual(['Down', 'Broken', 'Almost', 'Quiet']);
    expect(sorted(5).slice(0, 2)).toEqual(['Almost', 'Down']);
    expect(sorted(99)).toEqual(sorted(1));
  });
  test('of importance is also how bad it is', () => {
    const firing = ['none', 'info', undefined, 'warning', 'critical'].map((severity) => rule(severity ?? 'unsaid', [alert('firing', severity === undefined ? {} : { severity })]));
    expect(sortRules(listRules([{ name: 'g', file: 'f.yml', interval: 15, rules: firing }], all), 3).map(({ name }) => name)).toEqual(['critical', 'warning', 'unsaid', 'info', 'none']);
  });
  test('are grouped by labels', () => {
    expect(groupAlerts(listRules(groups, all), ['job']).map(({ labels, alerts }) => [labels['job'], alerts.map(({ name }) => name)])).toEqual([['a', ['Down', 'Almost']], ['b', ['Down']]]);
    expect(groupAlerts(listRules(groups, all), ['none'])[0]!.labels).toEqual({});
  });
});

test('an alert that several receivers get is listed once', () => {
  const held = { fingerprint: '1', labels: { alertname: 'A' }, annotations: {}, startsAt: '2026-11-21T10:00:00Z', endsAt: '', updatedAt: '', receivers: [], status: { state: 'active' as const, silencedBy: [], inhibitedBy: [] } };
  const groupsOfTwo = ['x', 'y'].map((name) => ({ labels: {}, receiver: { name }, alerts: [held] }));
  expect(listHeld(groupsOfTwo, all).map(({ name, alerts }) => [name, alerts.length])).toEqual([['A', 1]]);
});

test('matchers are read as they are written, and wrong expressions match nothing', () => {
  expect(readMatchers('{a="x,y", b=~"c|d"}').map(({ name, value }) => [name, value])).toEqual([['a', 'x,y'], ['b', 'c|d']]);
  expect(readMatchers('')).toEqual([]);
  expect(matchesAll({ a: 'x' }, readMatchers('a=~"("'))).toBe(false);
  expect(matchesAll({ a: 'x' }, readMatchers('a!="y", b=""'))).toBe(true);
});

test('annotations are listed newest first, each once, as words', () => {
  const listed = listAnnotations(
    [{ time: 1, text: '<b>Deploy</b> 1', tags: ['deploy'] }, { time: 3, text: 'x', tags: ['other'] }],
    [{ time: 2, text: 'two', tags: ['deploy'], color: 'red', source: 'q' }, { time: 1, text: 'Deploy 1', tags: ['deploy'], color: 'red', source: 'q' }],
    { limit: 5, tags: ['deploy'] },
  );
  expect(listed.map(({ time, text }) => [time, text])).toEqual([[2, 'two'], [1, 'Deploy 1']]);
  expect([padMs('10m', 1), padMs('x', 1), padMs(undefined, 1)]).toEqual([600_000, 1, 1]);
});
