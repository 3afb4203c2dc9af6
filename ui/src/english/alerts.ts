/** The list of alerts. */
import type { ComponentChildren } from 'preact';
import { plural, sentence } from './words.ts';

export const alerts = 'Alerts';
export const state = 'State';
export const filterByLabels = 'Filter by labels';
export const filter = 'Filter: severity="critical"';
export const receiver = 'Receiver';
export const allReceivers = 'All receivers';
export const alertsInGroups = (total: number, groupCount: number): string => `${total} ${plural(total, 'alert', 'alerts')} in ${groupCount} ${plural(groupCount, 'group', 'groups')}`;
export const noAlertMatches = 'No alert matches';
export const nothingIsFiring = 'Nothing is firing';
export const noSuchAlerts = 'No such alerts';
export const showAllAlerts = 'Show all alerts';
export const rules = 'Rules';
export const rulesHint = (link: ComponentChildren) => sentence`What may fire is on the ${link} page.`;
export const showingSomeGroups = (limit: number, groupCount: number): string => `Showing ${limit} of ${groupCount} groups.`;
export const showAll = 'Show all';
export const groupLabel = (labels: string, receiver: string): string => `Group ${labels} for ${receiver}`;
export const notGrouped = 'Not grouped';
export const toReceiver = (receiver: string): string => `to ${receiver}`;
export const silenceAll = 'Silence all';
export const showingSome = (limit: number, alertCount: number): string => `Showing ${limit} of ${alertCount}.`;
export const firing = 'firing';
export const noName = 'no name';
export const thisAlert = 'this alert';
export const silenceAlert = (alertname: string): string => `Silence ${alertname}`;
export const silence = 'Silence';
