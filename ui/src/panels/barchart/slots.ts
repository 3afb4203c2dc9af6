/** Where bars stand side by side. Pure. */
export interface Bar {
  /** From the start of the category, 0 to 1. */
  start: number;
  size: number;
}

/** Where the bars of one category stand within it. */
export function slots(count: number, stacked: boolean, groupWidth: number, barWidth: number): Bar[] {
  const places = stacked ? 1 : Math.max(1, count);
  const slot = groupWidth / places;
  return Array.from({ length: count }, (_, index) => ({ start: (1 - groupWidth) / 2 + (stacked ? 0 : index) * slot + (slot * (1 - barWidth)) / 2, size: slot * barWidth }));
}
