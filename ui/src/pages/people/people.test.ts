import { expect, test } from 'vitest';
import type { AuditEntry } from '../../api/people.ts';
import { browserName } from '../profile/model.ts';
import { describe, isWanted, makePassword, readTab, readWhen } from './model.ts';

const entry = (more: Partial<AuditEntry>): AuditEntry => ({ time: '2026-11-21T10:00:00Z', action: 'request', user: 'ada', address: '10.0.0.1', status: 200, ...more });

test('a made password is long, has no letters that look alike, and does not repeat', () => {
  const [first, second] = [makePassword(), makePassword()];
  expect(first).toMatch(/^[a-zA-Z2-9]{20}$/);
  expect(first).not.toMatch(/[lIoO01]/);
  expect(first).not.toBe(second);
});

test('bytes that would favour some letters of a password are not used', () => {
  let round = 0;
  const password = makePassword((bytes) => bytes.fill(round++ === 0 ? 255 : 0));
  expect(round).toBe(2);
  expect(password).toBe('a'.repeat(20));
});

test('an entry of the audit log is told in a line', () => {
  expect(describe(entry({ action: 'login', detail: 'password' }))).toBe('signed in (password)');
  expect(describe(entry({ action: 'login', status: 401 }))).toBe('could not sign in');
  expect(describe(entry({ action: 'refused', status: 403, method: 'POST', path: '/api/v2/silences' }))).toBe('was refused POST /api/v2/silences');
});

test('the audit log is narrowed by kind and by words', () => {
  const change = entry({ method: 'DELETE', path: '/api/teams/3' });
  const refused = entry({ action: 'refused', status: 403, method: 'POST', path: '/api/folders' });
  const wrong = entry({ action: 'login', status: 401 });
  expect([change, refused, wrong].map((each) => isWanted(each, 'refusals', ''))).toEqual([false, true, true]);
  expect([change, refused, wrong].map((each) => isWanted(each, 'changes', ''))).toEqual([true, false, false]);
  expect([change, refused, wrong].map((each) => isWanted(each, 'sign-ins', ''))).toEqual([false, false, true]);
  expect(isWanted(change, 'all', 'TEAMS ada')).toBe(true);
  expect(isWanted(change, 'all', 'teams bob')).toBe(false);
});

test('a time that cannot be read asks for nothing', () => {
  expect(readWhen('')).toBeUndefined();
  expect(readWhen('x')).toBeUndefined();
  expect(readWhen('2026-11-21T10:00Z')).toBe('1795255200.000');
  expect(readTab(new URLSearchParams('tab=nothing'))).toBe('users');
});

test('a session says its browser and system as far as they are known', () => {
  expect(browserName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36')).toBe('Chrome on Linux');
  expect(browserName('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15')).toBe('Safari on macOS');
  expect(browserName('Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0')).toBe('Firefox on Windows');
  expect(browserName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like ')).toBe('Browser on Linux');
  expect(browserName('curl/8.1')).toBe('curl');
  expect(browserName('')).toBe('unknown');
});
