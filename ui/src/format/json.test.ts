import { expect, test } from 'vitest';
import { mistakeOffset, parseJson } from './json.ts';

test('a mistake in JSON is named with its line and column', () => {
  const said = (text: string): string => {
    try {
      parseJson(text);
      return 'fine';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(said('{\n  "a": 1,\n  "b": }')).toBe('Line 3, column 8: unexpected "}"');
  expect(said('{"a": [1, 2')).toBe('Line 1, column 12: the text ends too early');
  expect(said('{"a": tru}')).toBe('Line 1, column 10: unexpected "}"');
  expect(said('{"a": 1,}')).toBe('Line 1, column 9: unexpected "}"');
  expect(said("{'a': 1}")).toBe(`Line 1, column 2: unexpected "'"`);
  expect(said('{"a": "x\\q"}')).toBe('Line 1, column 10: unexpected "q"');
  expect(said('[1] x')).toBe('Line 1, column 5: unexpected "x"');
  expect(said('')).toBe('Line 1, column 1: the text ends too early');
  expect(said('{"a": [{}, [], -1.5e3, "\\u00e9", null, false]}')).toBe('fine');
});

test('a text nested without end is still answered', () => {
  expect(mistakeOffset('['.repeat(200_000))).toBe(200_000);
});
