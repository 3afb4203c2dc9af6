import { describe, expect, test } from 'vitest';
import { exact, guessUnit, quantity, text, ticks } from './units.ts';

const plain = (value: string): string => value.replace(/\u202f/g, ' ');

describe('quantity', () => {
  test('bytes scale by 1024 and keep three digits', () => {
    expect(quantity(0, 'bytes')).toEqual({ value: '0', unit: 'B' });
    expect(quantity(512, 'bytes')).toEqual({ value: '512', unit: 'B' });
    expect(quantity(1536, 'bytes')).toEqual({ value: '1.50', unit: 'KiB' });
    expect(quantity(25_232_179_200, 'bytes')).toEqual({ value: '23.5', unit: 'GiB' });
    expect(quantity(2 ** 60, 'bytes')).toEqual({ value: '1.00', unit: 'EiB' });
  });
  test('rounding never shows 1024 of a unit', () => {
    expect(quantity(1024 * 1024 - 1, 'bytes')).toEqual({ value: '1.00', unit: 'MiB' });
    expect(quantity(999_999, 'number')).toEqual({ value: '1.00', unit: 'M' });
  });
  test('fractions are percentages', () => {
    expect(quantity(0.0268, 'fraction')).toEqual({ value: '2.68', unit: '%' });
    expect(quantity(1, 'fraction')).toEqual({ value: '100', unit: '%' });
    expect(quantity(0.00033, 'fraction')).toEqual({ value: '0.03', unit: '%' });
    expect(quantity(0.00001, 'fraction')).toEqual({ value: '0', unit: '%' });
  });
  test('counts below ten thousand stand as they are', () => {
    expect(quantity(9999, 'number')).toEqual({ value: '9999', unit: '' });
    expect(quantity(12_345, 'number')).toEqual({ value: '12.3', unit: 'k' });
  });
  test('small numbers keep digits that mean something and take no letter that reads as a unit', () => {
    expect(quantity(0.00018, 'number')).toEqual({ value: '0.00018', unit: '' });
    expect(quantity(3e-9, 'number').value).toBe('3.0e−9');
  });
  test('durations choose their unit', () => {
    expect(quantity(0.0042, 'seconds')).toEqual({ value: '4.20', unit: 'ms' });
    expect(quantity(90, 'seconds')).toEqual({ value: '90.0', unit: 's' });
    expect(quantity(86_400, 'seconds')).toEqual({ value: '24.0', unit: 'h' });
  });
  test('what is no number says so', () => {
    expect(quantity(NaN, 'bytes').value).toBe('NaN');
    expect(quantity(Infinity, 'number').value).toBe('+∞');
    expect(quantity(-Infinity, 'number').value).toBe('−∞');
  });
  test('negative numbers have a real minus sign', () => {
    expect(plain(text(-2048, 'bytes'))).toBe('−2.00 KiB');
  });
});

describe('ticks', () => {
  test('all ticks of an axis share one scale', () => {
    expect(ticks([0, 512 * 1024, 1024 * 1024], 'bytes').map(plain)).toEqual(['0', '0.5 MiB', '1 MiB']);
  });
  test('there are as many decimals as the increment needs', () => {
    expect(ticks([0, 0.25, 0.5], 'number')).toEqual(['0', '0.25', '0.5']);
    expect(ticks([0, 0.005, 0.01], 'fraction').map(plain)).toEqual(['0', '0.5 %', '1 %']);
    expect(ticks([0, 2000, 4000], 'number').map(plain)).toEqual(['0', '2 k', '4 k']);
  });
  test('no ticks make no labels', () => {
    expect(ticks([], 'bytes')).toEqual([]);
  });
});

test('exact keeps what the server sent, and cuts only the noise of floating point', () => {
  expect(exact('356376203')).toBe('356376203');
  expect(exact('0.30000000000000004')).toBe('0.3');
  expect(exact('+Inf')).toBe('+Inf');
  expect(exact('-1')).toBe('−1');
});

test('the unit of a result is guessed from metric names, and not at all when that would be wrong', () => {
  expect(guessUnit('node_memory_MemFree_bytes{job="node"}')).toBe('bytes');
  expect(guessUnit('rate(node_network_receive_bytes_total[5m])')).toBe('bytes/s');
  expect(guessUnit('rate(http_requests_total[5m])')).toBe('per-second');
  expect(guessUnit('http_request_duration_seconds')).toBe('seconds');
  expect(guessUnit('a_bytes / b_bytes')).toBe('number');
  expect(guessUnit('process_start_time_seconds')).toBe('number');
  expect(guessUnit('up')).toBe('number');
});
