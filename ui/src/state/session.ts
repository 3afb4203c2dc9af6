/** What happens when the server no longer knows who asks. */
import { watchSession } from '../api/client.ts';
import { currentPlace, hasUnsavedWork, href, watchPlace } from '../router.ts';

/** Whether something was typed on this page that would be lost. */
let typed = false;
let leaving = false;

/**
 * Sends whoever has to sign in to the login page and from there back to where they are, once. Where something was typed,
 * or a dashboard was changed and not saved, `askHere` is called instead.
 */
export function watchSessionEnd(askHere: () => void): void {
  let path = currentPlace().path;
  watchPlace((place) => {
    if (place.path !== path) typed = false;
    path = place.path;
  });
  document.addEventListener('input', (event) => {
    if (event.composedPath().some((node) => node instanceof Element && node.id === 'content')) typed = true;
  });
  watchSession(() => {
    const { page, path, params } = currentPlace();
    if (page === 'login' || leaving) return;
    if (typed || hasUnsavedWork()) return askHere();
    leaving = true;
    const query = params.toString();
    location.assign(new URL(href('login', { next: `${path}${query === '' ? '' : `?${query}`}` }), document.baseURI));
  });
}
