/** What strangers see of a public dashboard, or instead of one. */

export const publicDashboard = 'Public dashboard';
export const thisDashboardIsNotPublic = 'This dashboard is not public';
export const itsAddressWasNeverGivenOut = 'Its address was never given out, or it has been taken back. Ask whoever gave it to you.';
export const thisDashboardIsNotShown = 'This dashboard is not shown at the moment';
export const whoeverMadeItPublicHasPaused = 'Whoever made it public has paused it. Try again later.';
export const tooManyRequests = 'Too many requests';
export const waitMomentThenLoadThisPage = 'Wait a moment, then load this page again.';
export const dashboardDidNotArrive = 'The dashboard did not arrive';
