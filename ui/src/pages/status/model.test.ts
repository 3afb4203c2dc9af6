import { expect, test } from 'vitest';
import type { Target, Targets } from '../../api/types.ts';
import { changesOf, ruleText } from '../targets/model.ts';
import { droppedPools, percentUp } from './model.ts';

test('a relabelling rule reads as one line, and only what it changed is shown', () => {
  expect(ruleText({ action: 'replace', source_labels: ['__address__', 'port'], separator: ';', regex: '(.*):\\d+;(.*)', target_label: 'instance', replacement: '$1' })).toBe('replace __address__;port =~ (.*):\\d+;(.*) → instance');
  expect(ruleText({ action: 'drop', source_labels: ['env'], regex: 'test' })).toBe('drop env =~ test');
  expect(ruleText({ action: 'replace', regex: '(.*)', target_label: 'team', replacement: 'shop' })).toBe('replace → team = shop');
  expect(ruleText({ action: 'hashmod', source_labels: ['a'], regex: '(.*)', modulus: 4, target_label: '__tmp' })).toBe('hashmod a mod 4 → __tmp');
  expect(changesOf({ a: '1', b: '2', c: '3' }, { a: '1', b: '5' })).toEqual({ set: { b: '5' }, removed: ['c'] });
});

test('jobs that drop most come first, and the search looks into labels', () => {
  const targets: Targets = {
    activeTargets: [{ scrapePool: 'web' } as Target],
    droppedTargets: [
      { scrapePool: 'db', discoveredLabels: { __address__: 'x:1' } },
      { scrapePool: 'db', discoveredLabels: { __address__: 'y:1', env: 'Test' } },
    ],
    droppedTargetCounts: { web: 0, db: 7 },
  };
  expect(droppedPools(targets, ['test'])).toEqual([
    { name: 'db', kept: 0, dropped: 7, shown: [{ __address__: 'y:1', env: 'Test' }] },
    { name: 'web', kept: 1, dropped: 0, shown: [] },
  ]);
});

test('what was down for a moment does not read as always up', () => {
  expect([percentUp(1), percentUp(0.99999), percentUp(0.5), percentUp(null)]).toEqual(['100\u202f%', '99.99\u202f%', '50.0\u202f%', '–']);
});
