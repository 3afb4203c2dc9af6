/** Markdown within a line: code, emphasis, links, images, breaks. */
import { decodeEntities, escapeHtml } from './html.ts';

export type References = Map<string, { address: string; title: string | undefined }>;

interface Part {
  html: string;
  /** A run of `*`, `_` or `~` that may begin or end emphasis. */
  run?: { character: string; length: number; opens: boolean; closes: boolean };
}

interface Bracket {
  part: number;
  image: boolean;
  usable: boolean;
}

/** Runs of emphasis in one text; further ones stand as they are. */
const MOST_RUNS = 500;
/** Links within each other's texts. */
const MOST_BRACKETS = 100;
const LONGEST_ADDRESS = 2000;
/** Links and what looks like one, in one text. */
const MOST_LINKS = 2000;
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/u;

export function renderInline(text: string, references: References): string {
  const parts: Part[] = [];
  const brackets: Bracket[] = [];
  let runs = 0;
  let links = 0;
  let plain = '';
  let at = 0;
  const flush = (): void => {
    if (plain !== '') parts.push({ html: escapeText(plain) });
    plain = '';
  };
  const push = (html: string): void => {
    flush();
    parts.push({ html });
  };
  while (at < text.length) {
    const character = text[at]!;
    if (character === '\\') {
      const next = text[at + 1];
      if (next === '\n') push('<br>');
      else if (next !== undefined && /[!-/:-@[-`{-~]/.test(next)) push(escapeHtml(next));
      else {
        plain += '\\';
        at += 1;
        continue;
      }
      at += 2;
    } else if (character === '`') {
      const ticks = /`+/y;
      ticks.lastIndex = at;
      const mark = ticks.exec(text)![0];
      const end = endOfCode(text, at + mark.length, mark.length);
      if (end === -1) {
        plain += mark;
        at += mark.length;
      } else {
        const code = text.slice(at + mark.length, end).replace(/\n/g, ' ');
        push(`<code>${escapeHtml(code.length > 2 && code.startsWith(' ') && code.endsWith(' ') && code.trim() !== '' ? code.slice(1, -1) : code)}</code>`);
        at = end + mark.length;
      }
    } else if (character === '<') {
      const automatic = /<((?:https?|mailto|ftp):[^\s<>]*|[^\s<>@]{1,80}@[^\s<>@]{1,200})>/iy;
      automatic.lastIndex = at;
      const found = automatic.exec(text);
      const tag = /<\/?[a-zA-Z][a-zA-Z0-9-]*(?:\s(?:[^<>"']|"[^"]{0,2000}"|'[^']{0,2000}'){0,1000})?\/?>|<!--[^]{0,2000}?-->/y;
      tag.lastIndex = at;
      const html = found ? null : tag.exec(text);
      if (found) {
        const address = found[1]!.includes(':') ? found[1]! : `mailto:${found[1]!}`;
        push(`<a href="${escapeHtml(address)}">${escapeHtml(found[1]!)}</a>`);
        at += found[0].length;
      } else if (html) {
        push(html[0]);
        at += html[0].length;
      } else {
        plain += '<';
        at += 1;
      }
    } else if (character === '*' || character === '_' || character === '~') {
      const run = runAt(text, at);
      if (runs >= MOST_RUNS || (character === '~' && run.length > 2)) plain += character.repeat(run.length);
      else {
        runs += 1;
        flush();
        parts.push({ html: character.repeat(run.length), run });
      }
      at += run.length;
    } else if (brackets.length < MOST_BRACKETS && (character === '[' || (character === '!' && text[at + 1] === '['))) {
      flush();
      brackets.push({ part: parts.length, image: character === '!', usable: true });
      parts.push({ html: character === '!' ? '![' : '[' });
      at += character === '!' ? 2 : 1;
    } else if (character === ']') {
      flush();
      const bracket = brackets.pop();
      const inside = bracket ? parts.slice(bracket.part + 1) : [];
      const target = bracket?.usable && (links += 1) <= MOST_LINKS ? targetAt(text, at + 1, inside.map(({ html }) => html).join(''), references) : undefined;
      if (!bracket || !target) {
        parts.push({ html: ']' });
        at += 1;
        continue;
      }
      parts.length = bracket.part;
      const title = target.title === undefined ? '' : ` title="${escapeHtml(target.title)}"`;
      const content = emphasise(inside);
      if (bracket.image) parts.push({ html: `<img src="${escapeHtml(target.address)}" alt="${content.replace(/<[^>]*>/g, '').replace(/"/g, '&#34;')}"${title}>` });
      else {
        parts.push({ html: `<a href="${escapeHtml(target.address)}"${title}>${content}</a>` });
        // No links in links.
        for (const outer of brackets) if (!outer.image) outer.usable = false;
      }
      at = target.end;
    } else if (character === '\n') {
      const hard = plain.endsWith('  ');
      plain = plain.trimEnd();
      push(hard ? '<br>' : '\n');
      at += 1;
    } else if ((character === 'h' || character === 'w') && brackets.length === 0 && !/[a-zA-Z0-9]/.test(text[at - 1] ?? '')) {
      const bare = /(?:https?:\/\/|www\.)[^\s<>]{1,2000}/y;
      bare.lastIndex = at;
      const found = bare.exec(text)?.[0].replace(/[.,;:!?'"*_~]+$/, '');
      if (found === undefined || found.length < 6) {
        plain += character;
        at += 1;
      } else {
        const address = found.endsWith(')') && !found.includes('(') ? found.slice(0, -1) : found;
        push(`<a href="${escapeHtml(address.startsWith('www.') ? `https://${address}` : address)}">${escapeHtml(address)}</a>`);
        at += address.length;
      }
    } else {
      plain += character;
      at += 1;
    }
  }
  flush();
  return emphasise(parts);
}

/** Character references stay what they are. */
const escapeText = (text: string): string => text.replace(/&(?!(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});)|[<>"']/gi, (character) => `&#${character.charCodeAt(0)};`);

function endOfCode(text: string, from: number, length: number): number {
  const ticks = /`+/g;
  ticks.lastIndex = from;
  for (let found = ticks.exec(text); found; found = ticks.exec(text)) if (found[0].length === length) return found.index;
  return -1;
}

function runAt(text: string, at: number): NonNullable<Part['run']> {
  const character = text[at]!;
  let end = at;
  while (text[end] === character) end += 1;
  const before = text[at - 1] ?? ' ';
  const after = text[end] ?? ' ';
  const left = !/\s/.test(after) && (!PUNCTUATION.test(after) || /\s/.test(before) || PUNCTUATION.test(before));
  const right = !/\s/.test(before) && (!PUNCTUATION.test(before) || /\s/.test(after) || PUNCTUATION.test(after));
  // Underscores within words are part of names.
  const inWord = character === '_';
  return { character, length: end - at, opens: left && (!inWord || !right || PUNCTUATION.test(before)), closes: right && (!inWord || !left || PUNCTUATION.test(after)) };
}

/** Turns runs that fit together into emphasis, the innermost first. */
function emphasise(given: readonly Part[]): string {
  const parts = given.map((part) => ({ html: part.html, run: part.run ? { ...part.run } : undefined }));
  const before: string[] = parts.map(() => '');
  const after: string[] = parts.map(() => '');
  for (let closer = 0; closer < parts.length; closer += 1) {
    const closing = parts[closer]!.run;
    if (!closing?.closes) continue;
    for (let opener = closer - 1; opener >= 0 && closing.length > 0; opener -= 1) {
      const opening = parts[opener]!.run;
      if (!opening?.opens || opening.character !== closing.character || opening.length === 0) continue;
      if ((opening.closes || closing.opens) && (opening.length + closing.length) % 3 === 0 && closing.character !== '~') continue;
      const both = Math.min(opening.length, closing.length);
      const take = closing.character === '~' ? both : both >= 2 ? 2 : 1;
      if (closing.character === '~' && opening.length !== closing.length) continue;
      const tag = closing.character === '~' ? 'del' : take === 2 ? 'strong' : 'em';
      after[opener] = `<${tag}>${after[opener]!}`;
      before[closer] = `${before[closer]!}</${tag}>`;
      opening.length -= take;
      closing.length -= take;
      // What lies between cannot reach out any more.
      for (let between = opener + 1; between < closer; between += 1) if (parts[between]!.run) parts[between]!.run!.opens = parts[between]!.run!.closes = false;
      if (closing.length > 0) opener += 1;
    }
  }
  return parts.map(({ html, run }, index) => `${before[index]!}${run ? run.character.repeat(run.length) : html}${after[index]!}`).join('');
}

/** What follows a closing bracket: `(address "title")`, `[name]`, or the name itself. */
function targetAt(text: string, at: number, label: string, references: References): { address: string; title: string | undefined; end: number } | undefined {
  if (text[at] === '(') {
    let index = at + 1;
    while (/\s/.test(text[index] ?? '')) index += 1;
    let address = '';
    if (text[index] === '<') {
      const end = text.indexOf('>', index);
      if (end === -1) return undefined;
      address = text.slice(index + 1, end);
      index = end + 1;
    } else {
      let depth = 0;
      while (index < text.length && address.length < LONGEST_ADDRESS && !/\s/.test(text[index]!)) {
        if (text[index] === '(') depth += 1;
        else if (text[index] === ')') {
          if (depth === 0) break;
          depth -= 1;
        }
        if (text[index] === '\\' && index + 1 < text.length) index += 1;
        address += text[index++]!;
      }
    }
    const rest = /\s*(?:(?:"([^"]*)"|'([^']*)')\s*)?\)/y;
    rest.lastIndex = index;
    const found = rest.exec(text);
    return found ? { address: decodeEntities(address), title: found[1] ?? found[2], end: index + found[0].length } : undefined;
  }
  if (text[at] === '[') {
    const end = text.indexOf(']', at);
    if (end !== -1) {
      const name = text.slice(at + 1, end).trim().toLowerCase() || label.toLowerCase();
      const known = references.get(name);
      return known ? { ...known, end: end + 1 } : undefined;
    }
  }
  const known = references.get(label.trim().toLowerCase());
  return known ? { ...known, end: at } : undefined;
}
