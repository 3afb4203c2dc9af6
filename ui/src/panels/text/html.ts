/**
 * HTML out of dashboards as a tree. It is only read here; what of it may be shown is decided where the tree is drawn.
 * The browser's own parser is not used: it would report every `style` to the page's content-security policy.
 */

export interface HtmlElement {
  tag: string;
  attributes: ReadonlyMap<string, string>;
  children: HtmlNode[];
}
export type HtmlNode = string | HtmlElement;

/** Deeper elements become siblings. */
const DEEPEST = 60;
/** Elements and texts of one source. */
const MOST_NODES = 20_000;

const VOID: ReadonlySet<string> = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'param', 'source', 'track', 'wbr']);
/** Their content is no HTML, and nothing to be shown. */
const RAW: ReadonlySet<string> = new Set(['script', 'style', 'textarea', 'title', 'iframe', 'noscript', 'noembed', 'noframes', 'xmp', 'plaintext', 'template', 'svg', 'math', 'object']);
const BLOCKS: ReadonlySet<string> = new Set(['address', 'article', 'aside', 'blockquote', 'center', 'details', 'div', 'dl', 'fieldset', 'figure', 'footer', 'form', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'header', 'hr', 'main', 'nav', 'ol', 'p', 'pre', 'section', 'table', 'ul']);
/** What a tag ends that was left open, and where looking for it stops. */
const ENDS: Record<string, { ends: readonly string[]; within: readonly string[] }> = {
  li: { ends: ['li'], within: ['ul', 'ol'] },
  dt: { ends: ['dt', 'dd'], within: ['dl'] },
  dd: { ends: ['dt', 'dd'], within: ['dl'] },
  td: { ends: ['td', 'th'], within: ['tr', 'table'] },
  th: { ends: ['td', 'th'], within: ['tr', 'table'] },
  tr: { ends: ['tr'], within: ['table'] },
  tbody: { ends: ['thead', 'tbody', 'tfoot'], within: ['table'] },
  thead: { ends: ['thead', 'tbody', 'tfoot'], within: ['table'] },
  tfoot: { ends: ['thead', 'tbody', 'tfoot'], within: ['table'] },
};

const ENTITIES: Record<string, string> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', hellip: '…', ndash: '–', mdash: '—', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”',
  laquo: '«', raquo: '»', bull: '•', middot: '·', deg: '°', plusmn: '±', times: '×', divide: '÷', micro: 'µ', para: '¶', sect: '§', euro: '€', pound: '£', yen: '¥', cent: '¢', larr: '←',
  uarr: '↑', rarr: '→', darr: '↓', harr: '↔', check: '✓', cross: '✗', star: '☆', hearts: '♥', infin: '∞', ne: '≠', le: '≤', ge: '≥', asymp: '≈', sum: '∑', radic: '√', alpha: 'α', beta: 'β',
  gamma: 'γ', delta: 'δ', lambda: 'λ', mu: 'μ', pi: 'π', sigma: 'σ', omega: 'ω', frac12: '½', frac14: '¼', frac34: '¾', sup2: '²', sup3: '³', ensp: '\u2002', emsp: '\u2003', thinsp: '\u2009', zwnj: '\u200c', zwj: '\u200d', shy: '\u00ad',
  auml: 'ä', ouml: 'ö', uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü', szlig: 'ß', eacute: 'é', egrave: 'è', agrave: 'à', ccedil: 'ç', ntilde: 'ñ', oslash: 'ø', aring: 'å',
  colon: ':', Tab: '\t', NewLine: '\n', lpar: '(', rpar: ')', num: '#', lsqb: '[', rsqb: ']', lbrace: '{', rbrace: '}', ast: '*', lowbar: '_', grave: '`', vert: '|', sol: '/', bsol: '\\',
};

/** Text with its character references resolved. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z][a-z0-9]{1,15}));?/gi, (whole, hex: string | undefined, decimal: string | undefined, name: string | undefined) => {
    if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name]! : whole;
    const code = hex !== undefined ? parseInt(hex, 16) : Number(decimal);
    return code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? '\ufffd' : String.fromCodePoint(code);
  });
}

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export function parseHtml(source: string): HtmlNode[] {
  const root: HtmlElement = { tag: '', attributes: new Map(), children: [] };
  const open: HtmlElement[] = [root];
  let nodes = 0;
  let at = 0;
  const add = (node: HtmlNode): void => {
    nodes += 1;
    if (nodes <= MOST_NODES) open[open.length - 1]!.children.push(node);
  };
  /** Closes the nearest of `tags`, unless one of `within` stands before it. */
  const close = (tags: readonly string[], within: readonly string[] = []): void => {
    for (let index = open.length - 1; index > 0; index -= 1) {
      const { tag } = open[index]!;
      if (tags.includes(tag)) {
        open.length = index;
        return;
      }
      if (within.includes(tag)) return;
    }
  };
  while (at < source.length && nodes < MOST_NODES) {
    const bracket = source.indexOf('<', at);
    if (bracket !== at) {
      const text = source.slice(at, bracket === -1 ? source.length : bracket);
      add(decodeEntities(text));
      at += text.length;
      continue;
    }
    if (source.startsWith('<!--', at)) {
      const end = source.indexOf('-->', at + 4);
      at = end === -1 ? source.length : end + 3;
      continue;
    }
    const next = source[at + 1] ?? '';
    if (next === '!' || next === '?') {
      const end = source.indexOf('>', at);
      at = end === -1 ? source.length : end + 1;
      continue;
    }
    const ending = next === '/';
    const found = readName(source, at + (ending ? 2 : 1));
    if (found === undefined) {
      add('<');
      at += 1;
      continue;
    }
    const { tag } = found;
    const { attributes, closed, end } = readAttributes(source, found.end);
    at = end;
    if (ending) {
      close([tag]);
      continue;
    }
    if (RAW.has(tag)) {
      if (!closed) at = endOfRaw(source, at, tag);
      continue;
    }
    const rule = ENDS[tag];
    if (rule) close(rule.ends, rule.within);
    else if (BLOCKS.has(tag)) close(['p'], ['td', 'th', 'li', 'div', 'blockquote', 'section', 'details']);
    const element: HtmlElement = { tag, attributes, children: [] };
    add(element);
    if (!VOID.has(tag) && !closed && open.length < DEEPEST) open.push(element);
  }
  return root.children;
}

function readName(source: string, at: number): { tag: string; end: number } | undefined {
  const name = /[a-zA-Z][a-zA-Z0-9-]*/y;
  name.lastIndex = at;
  const found = name.exec(source)?.[0];
  return found === undefined ? undefined : { tag: found.toLowerCase(), end: at + found.length };
}

function readAttributes(source: string, from: number): { attributes: Map<string, string>; closed: boolean; end: number } {
  const attributes = new Map<string, string>();
  let at = from;
  let closed = false;
  while (at < source.length) {
    const character = source[at]!;
    if (character === '>') return { attributes, closed, end: at + 1 };
    if (character === '/') {
      closed = source[at + 1] === '>';
      at += 1;
      continue;
    }
    if (/\s/.test(character)) {
      at += 1;
      continue;
    }
    const pattern = /([^\s=>/]+|=)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/y;
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (!found) {
      at += 1;
      continue;
    }
    const name = found[1]!.toLowerCase();
    if (!attributes.has(name)) attributes.set(name, decodeEntities(found[2] ?? found[3] ?? found[4] ?? ''));
    at += Math.max(1, found[0].length);
  }
  return { attributes, closed, end: source.length };
}

function endOfRaw(source: string, at: number, tag: string): number {
  const end = new RegExp(`</${tag}(?=[\\s/>])`, 'gi');
  end.lastIndex = at;
  const found = end.exec(source);
  if (!found) return source.length;
  const bracket = source.indexOf('>', found.index);
  return bracket === -1 ? source.length : bracket + 1;
}
