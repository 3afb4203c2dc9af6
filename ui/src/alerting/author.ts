/** Who does something about alerts from this browser, as they last wrote themselves, or as they signed in. */
import { currentOffers } from '../state/offers.ts';

const KEY = 'promontory.alerting.author';

export function author(): string {
  try {
    return localStorage.getItem(KEY) ?? signedIn();
  } catch {
    return signedIn();
  }
}

function signedIn(): string {
  const user = currentOffers()?.user;
  return user?.kind === 'user' ? user.name : '';
}

export function rememberAuthor(name: string): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It is only a convenience.
  }
}
