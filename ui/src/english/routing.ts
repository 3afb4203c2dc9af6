/** Where alerts go. */
import type { ComponentChildren } from 'preact';
import { sentence } from './words.ts';

export const routing = 'Routing';
export const whereWouldItGo = 'Where would an alert go?';
export const labels = 'Labels';
export const labelsPlaceholder = 'alertname=DiskFull severity=critical team=storage';
export const labelsHint = 'Labels are written name=value, with a space between them.';
export const routes = 'Routes';
export const butMutedBy = (mutedBy: string): string => `, but muted now by ${mutedBy}`;
export const atOnce = 'at once';
export const atTime = (time: string, duration: string): string => `at ${time}, in ${duration}`;
export const afterItCame = (duration: string): string => `, ${duration} after it came`;
export const goesTo = (receiver: ComponentChildren, mutedByCount: string, groupKey: ComponentChildren) => sentence`To ${receiver}${mutedByCount}. Its group is ${groupKey}`;
export const intervals = (duration: string, duration2: string, duration3: string): string => `wait ${duration} · then every ${duration2} · repeat after ${duration3}`;
export const taken = 'taken';
export const everythingElse = 'everything else';
export const andOn = 'and on';
export const mutedNow = 'muted now';
export const notDuring = (muteTimeIntervals: string): string => `not during ${muteTimeIntervals}`;
export const onlyDuring = (activeTimeIntervals: string): string => `only during ${activeTimeIntervals}`;
export const countInAlerts = (alerts: number, groups: number): string => `${alerts} in ${groups}`;
export const nothing = 'nothing';
export const groupedBy = (groupByCount: string, iNHERITEDWAITS: string): string => `by ${groupByCount} · ${iNHERITEDWAITS}`;
