/** What a panel cannot draw, why, and what to do. */
export interface Missing {
  title: string;
  hint: string;
}

export const NO_DATA: Missing = { title: 'No data', hint: 'The queries answered nothing in this time range.' };
export const NO_TIME: Missing = { title: 'No times in the data', hint: 'This panel draws values over time. Set the query’s format to “Time series”, or show the answer in a table.' };
export const NO_NUMBERS: Missing = { title: 'No numbers in the data', hint: 'There is no field of numbers to draw. Convert a field with a transformation, or show the answer in a table.' };
