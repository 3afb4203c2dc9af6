/**
 * HTML and Markdown of strangers, drawn from an allow list: elements, attributes and styles that it does not name are
 * not there. Nothing is ever given to the browser as HTML.
 */
import { createElement, type ComponentChildren, type JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import { isLoadable, safeHref } from '../values/href.ts';
import { parseHtml, type HtmlElement, type HtmlNode } from './html.ts';
import { markdownToHtml } from './markdown.ts';
import './text.css';

const ELEMENTS: ReadonlySet<string> = new Set(
  'a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i img input ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr font'.split(
    ' ',
  ),
);
const ATTRIBUTES: ReadonlySet<string> = new Set(['title', 'dir', 'lang', 'aria-label', 'align', 'valign', 'colspan', 'rowspan', 'start', 'reversed', 'open', 'datetime', 'scope', 'span', 'cite']);
const STYLES: ReadonlySet<string> = new Set(
  'color background background-color border border-top border-right border-bottom border-left border-color border-style border-width border-radius border-collapse border-spacing text-align text-decoration text-transform text-indent text-overflow vertical-align font font-family font-size font-style font-weight font-variant line-height letter-spacing word-spacing white-space margin margin-top margin-right margin-bottom margin-left padding padding-top padding-right padding-bottom padding-left width height min-width max-width min-height max-height display flex flex-direction flex-wrap flex-grow flex-shrink flex-basis justify-content align-items align-content align-self gap row-gap column-gap grid-template-columns grid-template-rows grid-column grid-row float clear opacity overflow list-style list-style-type table-layout box-sizing columns'.split(
    ' ',
  ),
);

/** The styles of a `style` attribute that may stay: none that load something or leave their place. */
export function safeStyle(text: string): Record<string, string> {
  const style: Record<string, string> = {};
  for (const declaration of text.slice(0, 2000).split(';')) {
    const colon = declaration.indexOf(':');
    if (colon === -1) continue;
    const name = declaration.slice(0, colon).trim().toLowerCase();
    const value = declaration.slice(colon + 1).replace(/!\s*important/i, '').trim();
    if (!STYLES.has(name) || value === '' || value.length > 200) continue;
    if (/[\\<>@]|url\s*\(|expression|image-set|image\s*\(|element\s*\(|attr\s*\(|\/\*/i.test(value)) continue;
    style[name] = value;
  }
  return style;
}

/** What is left of an element's attributes; undefined if the element itself cannot stay. */
export function safeAttributes({ tag, attributes }: HtmlElement, base: string): Record<string, unknown> | undefined {
  if (!ELEMENTS.has(tag)) return undefined;
  const safe: Record<string, unknown> = {};
  for (const [name, value] of attributes) if (ATTRIBUTES.has(name)) safe[name] = value;
  const style: Record<string, string> = safeStyle(attributes.get('style') ?? '');
  if (tag === 'font' && attributes.has('color')) Object.assign(style, safeStyle(`color:${attributes.get('color')!}`));
  const size = (name: 'width' | 'height'): void => {
    const found = /^(\d{1,4})(px|%)?$/.exec(attributes.get(name)?.trim() ?? '');
    if (found && ['img', 'table', 'td', 'th', 'col'].includes(tag)) style[name] ??= `${found[1]!}${found[2] ?? 'px'}`;
  };
  size('width');
  size('height');
  if (attributes.has('bgcolor')) Object.assign(style, safeStyle(`background-color:${attributes.get('bgcolor')!}`));
  if (Object.keys(style).length > 0) safe['style'] = style;
  if (tag === 'a') {
    const href = safeHref(attributes.get('href') ?? '');
    if (href !== undefined && !href.startsWith('#')) {
      safe['href'] = href;
      // Whatever leads away from here opens beside it.
      if (attributes.get('target') === '_blank' || isElsewhere(href, base)) Object.assign(safe, { target: '_blank', rel: 'noopener noreferrer' });
    }
  } else if (tag === 'input') {
    if (attributes.get('type') !== 'checkbox') return undefined;
    Object.assign(safe, { type: 'checkbox', disabled: true, checked: attributes.has('checked') });
  } else if (tag === 'img') {
    Object.assign(safe, { alt: attributes.get('alt') ?? '', loading: 'lazy' });
    const source = attributes.get('src') ?? '';
    if (isLoadable(source, base)) safe['src'] = source;
  }
  return safe;
}

function isElsewhere(href: string, base: string): boolean {
  try {
    const url = new URL(href, base);
    return url.protocol.startsWith('http') && url.origin !== new URL(base).origin;
  } catch {
    return true;
  }
}

const VOID: ReadonlySet<string> = new Set(['br', 'col', 'hr', 'img', 'input', 'wbr']);

function draw(nodes: readonly HtmlNode[], base: string): ComponentChildren[] {
  return nodes.map((node, index) => {
    if (typeof node === 'string') return node;
    const attributes = safeAttributes(node, base);
    if (attributes === undefined) return VOID.has(node.tag) ? null : draw(node.children, base);
    if (node.tag === 'img' && attributes['src'] === undefined) return <AwayImage key={index} source={node.attributes.get('src') ?? ''} alt={String(attributes['alt'])} />;
    const tag = node.tag === 'font' || node.tag === 'center' || node.tag === 'main' ? 'div' : node.tag;
    const extra = node.tag === 'font' ? { class: 'text-inline' } : node.tag === 'center' ? { class: 'text-center' } : {};
    if (VOID.has(tag)) return createElement(tag, { key: index, ...attributes });
    return createElement(tag, { key: index, ...attributes, ...extra }, ...draw(node.children, base));
  });
}

/** The page loads images of its own server only; of others there is the address. */
function AwayImage({ source, alt }: { source: string; alt: string }): JSX.Element {
  const href = safeHref(source);
  if (href === undefined) return <span class="muted">{alt}</span>;
  return (
    <a class="text-away" href={href} target="_blank" rel="noopener noreferrer" title={english.foreignImage(href)}>
      {alt || english.image}
    </a>
  );
}

const baseOf = (): string => (typeof document === 'undefined' ? 'http://localhost/' : document.baseURI);

/** HTML as a tree of what may be shown. */
export const htmlContent = (source: string, base = baseOf()): ComponentChildren[] => draw(parseHtml(source), base);

export function Html({ source }: { source: string }): JSX.Element {
  const content = useMemo(() => htmlContent(source), [source]);
  return <div class="prose">{content}</div>;
}

export function Markdown({ source }: { source: string }): JSX.Element {
  const content = useMemo(() => htmlContent(markdownToHtml(source)), [source]);
  return <div class="prose">{content}</div>;
}
