/** Who is told of alerts. */

export const receivers = 'Receivers';
export const searchReceivers = 'Search receivers';
export const noneMatches = 'No receiver matches';
export const receiverLabel = (name: string): string => `Receiver ${name}`;
export const itsAlerts = 'its alerts';
export const sending = 'Sending …';
export const sendTest = 'Send a test';
export const tellsNobody = 'Nobody is told: its alerts are only shown here.';
export const failing = 'failing';
export const works = 'works';
export const notUsedYet = 'not used yet';
export const ago = (duration: string): string => `${duration} ago`;
export const lastTook = (duration: string): string => `, took ${duration}`;
export const notToldOfEnds = ', not told of ends';
export const toldAndFailed = (notifications: number, failed: number, notTold: string): string => `${notifications} told, ${failed} failed${notTold}`;
export const testWorked = (duration: string): string => `The test was taken in ${duration}.`;
export const noReason = 'no reason was given';
export const testFailed = (error: string): string => `The test failed: ${error}`;
