/** The list of snapshots, and one of them. */

export const deleteSnapshot = (name: string): string => `Delete the snapshot “${name}”? Nobody can look at it any more.`;
export const dashboards = 'Dashboards';
export const snapshots = 'Snapshots';
export const thereAreNoSnapshotsOfYours = 'There are no snapshots of yours';
export const snapshotKeepsDashboardWithData = 'A snapshot keeps a dashboard with the data that it shows: “Share” on a dashboard makes one.';
export const name = 'Name';
export const taken = 'Taken';
export const until = 'Until';
export const deleteAction = 'Delete';
export const itIsDeleted = 'it is deleted';
export const deleteName = (name: string): string => `Delete ${name}`;
export const thisSnapshotIsNotThere = 'This snapshot is not there';
export const snapshotDidNotArrive = 'The snapshot did not arrive';
export const itHasExpiredOrSomebody = 'It has expired, or somebody has deleted it.';
export const snapshot = 'snapshot';
export const byCreatedBy = (createdBy: string): string => ` by ${createdBy}`;
export const takenTime = (time: string, by: string): string => `taken ${time}${by}`;
export const untilTime = (time: string): string => `until ${time}`;
export const keptUntilItIsDeleted = 'kept until it is deleted';
