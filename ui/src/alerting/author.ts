/** Who does something about alerts from this browser, as they last wrote themselves. */
const KEY = 'promontory.alerting.author';

export function author(): string {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

export function rememberAuthor(name: string): void {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It is only a convenience.
  }
}
