/** Markdown as HTML: CommonMark's everyday part with GitHub's tables, task lists and struck text. HTML in it stays as it is. */
import { escapeHtml } from './html.ts';
import { renderInline, type References } from './inline.ts';

/** Longer texts are cut. */
const LONGEST = 200_000;
/** Lists and quotes within each other. */
const DEEPEST = 16;

export function markdownToHtml(source: string): string {
  const lines = source.slice(0, LONGEST).replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n');
  const references: References = new Map();
  const rest = lines.filter((line) => {
    const found = /^ {0,3}\[([^\]\n]{1,200})\]: *<?([^\s>]+)>?(?: +["'(](.*)["')])? *$/.exec(line);
    if (!found || found[1]!.startsWith('^')) return true;
    const name = found[1]!.trim().toLowerCase();
    if (!references.has(name)) references.set(name, { address: found[2]!, title: found[3] });
    return false;
  });
  return blocks(rest, references, 0, false);
}

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?: (.*))?$/;
const RULE = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const HTML_BLOCK = /^ {0,3}<(?:\/?(?:address|article|aside|blockquote|body|center|details|dialog|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|iframe|img|legend|li|main|nav|ol|p|section|style|script|summary|table|tbody|td|tfoot|th|thead|tr|ul|svg|a|br|font|b|span)(?:[\s/>]|$)|!--)/i;
const DIVIDER = /^ {0,3}\|?(?: *:?-+:? *\|)+(?: *:?-+:? *)?\|? *$|^ {0,3}\| *:?-+:? *\|? *$/;

const isBlank = (line: string): boolean => line.trim() === '';
const indentOf = (line: string): number => line.length - line.trimStart().length;

/** Whether a line begins something other than the paragraph before it. */
const interrupts = (line: string): boolean => {
  if (isBlank(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  if (item) return item[3] !== '' && (!/\d/.test(item[2]!) || item[2]!.startsWith('1'));
  return HTML_BLOCK.test(line) && !/^ {0,3}<\/?(?:a|b|br|span|font|img)\b/i.test(line);
};

function blocks(lines: readonly string[], references: References, depth: number, tight: boolean): string {
  const inline = (text: string): string => renderInline(text, references);
  let html = '';
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    if (isBlank(line)) {
      at += 1;
      continue;
    }
    const fence = FENCE.exec(line);
    if (fence) {
      const [, mark = '```', info = ''] = fence;
      const language = info.trim().split(/\s/, 1)[0] ?? '';
      const indent = indentOf(line);
      const code: string[] = [];
      at += 1;
      while (at < lines.length) {
        const next = lines[at]!.trim();
        if (next.length >= mark.length && next === mark[0]!.repeat(next.length)) break;
        code.push(lines[at]!.slice(Math.min(indent, indentOf(lines[at]!))));
        at += 1;
      }
      at += 1;
      html += `<pre data-language="${escapeHtml(language)}"><code>${escapeHtml(code.join('\n'))}</code></pre>`;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      const level = heading[1]!.length;
      html += `<h${level}>${inline((heading[2] ?? '').trim().replace(/(?:^| )#+$/, '').trim())}</h${level}>`;
      at += 1;
      continue;
    }
    if (RULE.test(line)) {
      html += '<hr>';
      at += 1;
      continue;
    }
    if (QUOTE.test(line) && depth < DEEPEST) {
      const quoted: string[] = [];
      while (at < lines.length && (QUOTE.test(lines[at]!) || (!isBlank(lines[at]!) && !interrupts(lines[at]!)))) quoted.push(lines[at++]!.replace(QUOTE, ''));
      html += `<blockquote>${blocks(quoted, references, depth + 1, false)}</blockquote>`;
      continue;
    }
    if (ITEM.test(line) && depth < DEEPEST) {
      const list = readList(lines, at);
      html += renderList(list, references, depth);
      at = list.end;
      continue;
    }
    if (indentOf(line) >= 4) {
      const code: string[] = [];
      while (at < lines.length && (indentOf(lines[at]!) >= 4 || isBlank(lines[at]!))) code.push(lines[at++]!.slice(4));
      html += `<pre><code>${escapeHtml(code.join('\n').trimEnd())}</code></pre>`;
      continue;
    }
    const below = lines[at + 1];
    if (below !== undefined && line.includes('|') && DIVIDER.test(below) && cellsOf(below).length === cellsOf(line).length) {
      const rows: string[] = [];
      let end = at + 2;
      while (end < lines.length && !isBlank(lines[end]!) && (lines[end]!.includes('|') || !interrupts(lines[end]!))) rows.push(lines[end++]!);
      html += renderTable(line, below, rows, inline);
      at = end;
      continue;
    }
    if (HTML_BLOCK.test(line)) {
      const raw: string[] = [];
      // Code in it may have empty lines.
      const verbatim = /^ {0,3}<(pre|script|style|svg)\b/i.exec(line)?.[1];
      while (at < lines.length && (verbatim ? true : !isBlank(lines[at]!))) {
        raw.push(lines[at++]!);
        if (verbatim && raw[raw.length - 1]!.toLowerCase().includes(`</${verbatim.toLowerCase()}`)) break;
      }
      html += `${raw.join('\n')}\n`;
      continue;
    }
    const paragraph: string[] = [line];
    at += 1;
    let underline: string | undefined;
    while (at < lines.length) {
      const next = lines[at]!;
      if (/^ {0,3}(?:=+|-+) *$/.test(next)) {
        underline = next.trim()[0];
        at += 1;
        break;
      }
      if (interrupts(next)) break;
      paragraph.push(next);
      at += 1;
    }
    const text = inline(paragraph.map((part) => part.trimStart()).join('\n').trimEnd());
    html += underline === '=' ? `<h1>${text}</h1>` : underline === '-' ? `<h2>${text}</h2>` : tight ? text : `<p>${text}</p>`;
  }
  return html;
}

interface List {
  ordered: boolean;
  start: number;
  items: string[][];
  loose: boolean;
  end: number;
}

function readList(lines: readonly string[], from: number): List {
  const first = ITEM.exec(lines[from]!)!;
  const mark = first[2]!;
  const ordered = /\d/.test(mark);
  const list: List = { ordered, start: ordered ? parseInt(mark, 10) : 1, items: [], loose: false, end: from };
  let at = from;
  let gap = false;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]!);
    if (!item || /\d/.test(item[2]!) !== ordered || item[2]!.at(-1) !== mark.at(-1) || (list.items.length > 0 && RULE.test(lines[at]!))) break;
    if (gap) list.loose = true;
    const inset = item[1]!.length + item[2]!.length + (item[3]!.length > 4 || item[3]!.length === 0 ? 1 : item[3]!.length);
    const content = [lines[at]!.slice(inset)];
    at += 1;
    gap = false;
    while (at < lines.length) {
      const line = lines[at]!;
      if (isBlank(line)) {
        // Only what is indented below belongs to the item.
        let next = at;
        while (next < lines.length && isBlank(lines[next]!)) next += 1;
        const follower = lines[next];
        if (follower === undefined || indentOf(follower) < inset) {
          gap = true;
          at = next;
          break;
        }
        for (; at < next; at += 1) content.push('');
        list.loose = list.loose || !ITEM.test(follower.slice(inset));
        continue;
      }
      if (indentOf(line) >= inset) content.push(line.slice(inset));
      else if (indentOf(line) >= 2 && ITEM.test(line.trimStart()) && indentOf(line) > item[1]!.length) content.push(line.trimStart());
      else if (ITEM.test(line) || interrupts(line)) break;
      else content.push(line.trimStart());
      at += 1;
    }
    list.items.push(content);
  }
  list.end = Math.max(at, from + 1);
  return list;
}

function renderList({ ordered, start, items, loose }: List, references: References, depth: number): string {
  const rendered = items.map((content) => {
    const task = /^\[([ xX])\] +/.exec(content[0] ?? '');
    const box = task ? `<input type="checkbox" disabled${task[1] === ' ' ? '' : ' checked'}> ` : '';
    const lines = task ? [content[0]!.slice(task[0].length), ...content.slice(1)] : content;
    return `<li${task ? ' data-task=""' : ''}>${box}${blocks(lines, references, depth + 1, !loose)}</li>`;
  });
  const tag = ordered ? 'ol' : 'ul';
  return `<${tag}${ordered && start !== 1 ? ` start="${start}"` : ''}>${rendered.join('')}</${tag}>`;
}

/** A table's row in cells; `\|` and bars in code belong to the text. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = '';
  let code = false;
  const text = line.trim();
  for (let at = text.startsWith('|') ? 1 : 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (character === '\\' && text[at + 1] === '|') (cell += '|'), (at += 1);
    else if (character === '|' && !code) cells.push(cell.trim()), (cell = '');
    else {
      if (character === '`' && (code || text.includes('`', at + 1))) code = !code;
      cell += character;
    }
  }
  if (cell.trim() !== '' || !text.endsWith('|')) cells.push(cell.trim());
  return cells;
}

function renderTable(head: string, divider: string, rows: readonly string[], inline: (text: string) => string): string {
  const aligns = cellsOf(divider).map((cell) => (cell.endsWith(':') ? (cell.startsWith(':') ? 'center' : 'right') : cell.startsWith(':') ? 'left' : ''));
  const row = (line: string, tag: string): string => {
    const cells = cellsOf(line);
    return `<tr>${aligns.map((align, index) => `<${tag}${align ? ` align="${align}"` : ''}>${inline(cells[index] ?? '')}</${tag}>`).join('')}</tr>`;
  };
  return `<table><thead>${row(head, 'th')}</thead><tbody>${rows.map((line) => row(line, 'td')).join('')}</tbody></table>`;
}
