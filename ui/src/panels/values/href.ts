/** Addresses out of dashboards, which anybody may have written. */

/**
 * Where a link may lead: elsewhere on the web, to a mail program or a telephone, or to a place here. `/d/uid` means a place
 * of this server, whatever it is mounted under. Undefined for `javascript:` and its like, and for nothing.
 */
export function safeHref(address: string): string | undefined {
  // Browsers drop control characters and white space before they look at the scheme.
  // eslint-disable-next-line no-control-regex
  const bare = address.replace(/[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028\u2029\ufeff]/g, '');
  if (bare === '') return undefined;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(bare)?.[1]?.toLowerCase();
  if (scheme !== undefined && !['http', 'https', 'mailto', 'tel'].includes(scheme)) return undefined;
  // eslint-disable-next-line no-control-regex
  const clean = address.trim().replace(/[\u0000-\u0020\u007f]+/g, (space) => (space.includes(' ') ? '%20' : ''));
  if (scheme !== undefined || clean.startsWith('//')) return clean;
  return clean === '/' ? './' : clean.replace(/^\//, '');
}

const INLINE_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp|avif|svg\+xml)[;,]/i;

/** Whether the page's policy loads an image of this address: from this server, or written out in the address. */
export function isLoadable(address: string, base: string): boolean {
  if (INLINE_IMAGE.test(address)) return true;
  if (safeHref(address) === undefined) return false;
  try {
    const url = new URL(address, base);
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === new URL(base).origin;
  } catch {
    return false;
  }
}
