/** Long lists of which only what is seen is on the page. */
import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Where rows begin, and after the last one where they end: one height for all, or `offsets` of one more than there are rows. */
export type RowHeights = number | Float64Array;

export interface Window {
  first: number;
  /** One after the last row. */
  end: number;
  /** Space of the rows that are not there, in CSS pixels. */
  before: number;
  after: number;
}

/** Rows beyond the edges that are there already when one scrolls to them. */
const OVERSCAN = 6;

export function offsetsOf(count: number, height: (row: number) => number): Float64Array {
  const offsets = new Float64Array(count + 1);
  for (let row = 0; row < count; row += 1) offsets[row + 1] = offsets[row]! + height(row);
  return offsets;
}

const startOf = (heights: RowHeights, row: number): number => (typeof heights === 'number' ? heights * row : (heights[row] ?? 0));

/** The last row that begins at or before a position. */
export function rowAt(heights: RowHeights, count: number, position: number): number {
  if (typeof heights === 'number') return Math.max(0, Math.min(count - 1, Math.floor(position / Math.max(1, heights))));
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (heights[middle]! <= position) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

export function windowOf(count: number, heights: RowHeights, scrollTop: number, viewport: number): Window {
  if (count === 0) return { first: 0, end: 0, before: 0, after: 0 };
  const first = Math.max(0, rowAt(heights, count, scrollTop) - OVERSCAN);
  const end = Math.min(count, rowAt(heights, count, scrollTop + Math.max(0, viewport)) + 1 + OVERSCAN);
  return { first, end, before: startOf(heights, first), after: startOf(heights, count) - startOf(heights, end) };
}

/** The window of a scrolling box; it changes only when other rows come into sight. */
export function useWindow(box: RefObject<HTMLElement | null>, count: number, heights: RowHeights, viewport: number): Window {
  const [top, setTop] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let frame = 0;
    const moved = (): void => {
      cancelAnimationFrame(frame);
      // Half the rows that are kept beyond the edges: fewer renderings than rows that pass.
      frame = requestAnimationFrame(() => setTop((last) => (Math.abs(last - element.scrollTop) > 48 || element.scrollTop === 0 ? element.scrollTop : last)));
    };
    element.addEventListener('scroll', moved, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener('scroll', moved);
    };
  }, []);
  return windowOf(count, heights, top, viewport);
}
