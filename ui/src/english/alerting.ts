/** What the pages about alerts share. */
import type { ComponentChildren } from 'preact';
import { sentence } from './words.ts';

export const removeMatcher = (written: string): string => `Remove ${written}`;
export const suggestions = 'Suggestions';
export const matcherHint = (nameValue: ComponentChildren) => sentence`A matcher looks like ${nameValue}, with =, !=, =~ or !~.`;
export const alerts = 'Alerts';
export const silences = 'Silences';
export const routing = 'Routing';
export const receivers = 'Receivers';
export const rules = 'Rules';
export const alerting = 'Alerting';
export const answerIsEmpty = (path: string): string => `The answer to ${path} says nothing.`;
export const silenceNotConfirmed = 'The silence was not confirmed.';
