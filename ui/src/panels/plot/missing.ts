/** What a panel cannot draw, why, and what to do. */
import * as english from '../../english/panels.ts';
export interface Missing {
  title: string;
  hint: string;
}

export const NO_DATA: Missing = { title: english.noData, hint: english.noDataHint };
export const NO_TIME: Missing = { title: english.noTimesInData, hint: english.noTimesHint };
export const NO_NUMBERS: Missing = { title: english.noNumbersInData, hint: english.noNumbersHint };
