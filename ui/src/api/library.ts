/** Library panels as the server keeps them, by Grafana's HTTP API. */
import { send } from './client.ts';

export interface LibraryElement {
  uid: string;
  name: string;
  folderUid?: string;
  /** Counts changes: whoever saves says which one was seen. */
  version: number;
  /** The panel, of any schema. */
  model: Record<string, unknown>;
  meta?: { connectedDashboards?: number; folderName?: string; updated?: string; updatedBy?: { name?: string } };
}

const PANEL = 1;
const at = encodeURIComponent;
const result = async (answer: Promise<{ result: LibraryElement }>): Promise<LibraryElement> => (await answer).result;

export const library = {
  read: (uid: string, signal?: AbortSignal): Promise<LibraryElement> => result(send('GET', `api/library-elements/${at(uid)}`, { signal })),

  create: (what: { name: string; folderUid: string; model: unknown }): Promise<LibraryElement> => result(send('POST', 'api/library-elements', { body: { ...what, kind: PANEL } })),

  /** Throws `ApiError` with status 412 where another version was saved meanwhile. */
  change: (uid: string, what: { version: number; model: unknown }): Promise<LibraryElement> => result(send('PATCH', `api/library-elements/${at(uid)}`, { body: { ...what, kind: PANEL } })),
};
