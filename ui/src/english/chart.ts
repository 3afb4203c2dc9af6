/** Graphs of the frame's own pages. */

export const andMore = (rest: number): string => `and ${rest} more`;
export const noSampleHere = 'no sample here';
export const click = (full: string): string => `${full}
Click: show alone. Ctrl or Cmd click: hide.`;
