import { expect, test } from 'vitest';
import { barLayout } from '../bargauge/kind.tsx';
import { gradientStops, lcdCells } from '../bargauge/bar.tsx';
import { arcPath, placeDial, stretches, thresholdMarks } from './arc.ts';

const thresholds = { mode: 'absolute' as const, steps: [{ value: null, color: 'green' }, { value: 50, color: 'orange' }, { value: 80, color: 'red' }] };

test('an arc is long or short, whole or nothing', () => {
  expect(arcPath(50, 50, 40, 0, 90)).toBe('M50,10A40,40 0 0 1 90,50');
  expect(arcPath(50, 50, 40, -120, 120)).toContain(' 0 1 1 ');
  expect(arcPath(50, 50, 40, 0, 360).match(/A/g)).toHaveLength(2);
  expect(arcPath(50, 50, 40, 10, 10)).toBe('');
  expect(arcPath(50, 50, 0, 0, 90)).toBe('');
});

test('the scale is cut at its thresholds', () => {
  expect(stretches(thresholds, 0, 100).map(({ from, to, color }) => [from, to, color])).toEqual([[0, 0.5, 'green'], [0.5, 0.8, 'orange'], [0.8, 1, 'red']]);
  expect(stretches(thresholds, 60, 70).map(({ color }) => color)).toEqual(['orange']);
  expect(stretches({ mode: 'percentage', steps: [{ value: null, color: 'a' }, { value: 25, color: 'b' }] }, 0, 8).map(({ to }) => to)).toEqual([0.25, 1]);
  expect(stretches(undefined, 0, 1)).toEqual([]);
  expect(thresholdMarks(thresholds, 0, 100)).toEqual([{ at: 0.5, value: 50 }, { at: 0.8, value: 80 }]);
  expect(thresholdMarks(thresholds, 60, 70)).toEqual([]);
});

test('a first threshold that says zero holds below it as well', () => {
  expect(stretches({ mode: 'absolute', steps: [{ value: 0, color: 'green' }, { value: 80, color: 'red' }] }, -100, 100)[0]).toMatchObject({ from: 0, color: 'green' });
});

test('a dial stays within its box', () => {
  for (const [width, height] of [[100, 100], [300, 50], [50, 300], [1, 1], [0, 0]] as const) {
    const { cx, cy, radius } = placeDial(width, height, 'gauge');
    expect(cy - radius).toBeGreaterThanOrEqual(-0.01);
    expect(cy + radius / 2).toBeLessThanOrEqual(height + 0.01);
    expect(cx - radius).toBeGreaterThanOrEqual(-0.01);
  }
});

test('a gradient belongs to the scale, and an LCD to its length', () => {
  expect(gradientStops(thresholds, 0, 100).map((stop) => stop.split(' ').at(-1))).toEqual(['0%', '50%', '80%']);
  expect([0, 7, 90, 100_000].map(lcdCells)).toEqual([1, 1, 10, 120]);
});

test('names of bars stand above where there is space, before where there is little', () => {
  const values = [{ name: 'some name', display: { numeric: 1, text: '12', suffix: ' MB/s' } }];
  const options = { namePlacement: 'auto' as const, valueMode: 'color' as const, text: {} };
  expect(barLayout({ width: 300, height: 60 }, false, values, options).name).toBe('above');
  const low = barLayout({ width: 300, height: 24 }, false, values, options);
  expect(low.name).toBe('before');
  expect(low.length + low.nameSpace + low.valueSpace).toBeCloseTo(300);
  const tiny = barLayout({ width: 1, height: 1 }, false, values, options);
  expect(tiny.length).toBeGreaterThanOrEqual(0);
  expect(barLayout({ width: 30, height: 300 }, true, values, options).name).toBe('below');
});
