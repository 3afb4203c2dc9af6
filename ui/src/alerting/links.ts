/** Links between the pages about alerts. */
import type { Labels } from '../api/types.ts';
import { link } from '../router.ts';
import { matchersOf, writeMatcher } from './matchers.ts';

/** Where a silence for these labels is made. */
export const silenceLink = (labels: Labels): string => link('silences', { new: '1', m: matchersOf(labels).map(writeMatcher) });

/** Where one alert is shown. */
export const alertLink = (labels: Labels): string => link('alert', { m: matchersOf(labels).map(writeMatcher) });
