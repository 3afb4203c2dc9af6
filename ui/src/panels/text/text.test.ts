import { isValidElement, type ComponentChildren } from 'preact';
import { describe, expect, test } from 'vitest';
import { decodeEntities } from './html.ts';
import { markdownToHtml } from './markdown.ts';
import { htmlContent, safeStyle } from './show.tsx';

/** What would be on the page, written as HTML. */
function written(content: ComponentChildren): string {
  if (Array.isArray(content)) return content.map(written).join('');
  if (!isValidElement(content)) return content === null || content === undefined || typeof content === 'boolean' ? '' : String(content).replace(/</g, '&lt;');
  const { type, props } = content as { type: unknown; props: Record<string, unknown> };
  if (typeof type === 'function') return written((type as (props: unknown) => ComponentChildren)(props));
  const { children, style, ...rest } = props as { children?: ComponentChildren; style?: Record<string, string> };
  const attributes = Object.entries(rest).map(([name, value]) => (value === true ? ` ${name}` : value === false ? '' : ` ${name}="${String(value)}"`));
  const css = style ? ` style="${Object.entries(style).map(([name, value]) => `${name}:${value}`).join(';')}"` : '';
  return `<${String(type)}${attributes.join('')}${css}>${written(children)}</${String(type)}>`;
}

const BASE = 'https://monitor.example/grafana/';
const html = (source: string): string => written(htmlContent(source, BASE));
const markdown = (source: string): string => markdownToHtml(source);

describe('markdown', () => {
  test('headings, paragraphs and rules', () => {
    expect(markdown('# One #\n\nText\nmore\n\nTwo\n---\n\n***')).toBe('<h1>One</h1><p>Text\nmore</p><h2>Two</h2><hr>');
    expect(markdown('#no heading')).toBe('<p>#no heading</p>');
  });
  test('emphasis within and around words', () => {
    expect(markdown('*a* **b** ***c*** ~~d~~ __e__')).toBe('<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> <del>d</del> <strong>e</strong></p>');
    expect(markdown('snake_case_name and 2 * 3 * 4')).toBe('<p>snake_case_name and 2 * 3 * 4</p>');
    expect(markdown('**not closed')).toBe('<p>**not closed</p>');
    expect(markdown('**a *b* c**')).toBe('<p><strong>a <em>b</em> c</strong></p>');
  });
  test('code keeps what is in it', () => {
    expect(markdown('`a*b*<i>`')).toBe('<p><code>a*b*&#60;i&#62;</code></p>');
    expect(markdown('```sql\nselect *\n\nfrom t\n```\nafter')).toBe('<pre data-language="sql"><code>select *\n\nfrom t</code></pre><p>after</p>');
    expect(markdown('    indented')).toBe('<pre><code>indented</code></pre>');
    expect(markdown('``a`b``')).toBe('<p><code>a`b</code></p>');
  });
  test('links, references, images and bare addresses', () => {
    expect(markdown('[a *b*](/d/x?y=1&z=2 "t")')).toBe('<p><a href="/d/x?y=1&#38;z=2" title="t">a <em>b</em></a></p>');
    expect(markdown('[a][ref] and [ref]\n\n[ref]: https://x.example "T"')).toBe('<p><a href="https://x.example" title="T">a</a> and <a href="https://x.example" title="T">ref</a></p>');
    expect(markdown('![alt](a.png)')).toBe('<p><img src="a.png" alt="alt"></p>');
    expect(markdown('[![a](b.png)](c)')).toBe('<p><a href="c"><img src="b.png" alt="a"></a></p>');
    expect(markdown('see https://x.example/a_b. Then <me@x.example>')).toBe('<p>see <a href="https://x.example/a_b">https://x.example/a_b</a>. Then <a href="mailto:me@x.example">me@x.example</a></p>');
    expect(markdown('[x] is no link, a[0] neither')).toBe('<p>[x] is no link, a[0] neither</p>');
  });
  test('lists nest, number and hold tasks', () => {
    expect(markdown('- a\n- b\n  - c\n- d')).toBe('<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>');
    expect(markdown('3. a\n4. b')).toBe('<ol start="3"><li>a</li><li>b</li></ol>');
    expect(markdown('- [x] done\n- [ ] open')).toBe('<ul><li data-task=""><input type="checkbox" disabled checked> done</li><li data-task=""><input type="checkbox" disabled> open</li></ul>');
    expect(markdown('- a\n\n- b')).toBe('<ul><li><p>a</p></li><li><p>b</p></li></ul>');
  });
  test('tables with alignment, bars in code, and too few cells', () => {
    expect(markdown('| a | b |\n|:-:|--:|\n| `x|y` | 2 |\n| 3 |')).toBe(
      '<table><thead><tr><th align="center">a</th><th align="right">b</th></tr></thead><tbody><tr><td align="center"><code>x|y</code></td><td align="right">2</td></tr><tr><td align="center">3</td><td align="right"></td></tr></tbody></table>',
    );
  });
  test('quotes hold blocks', () => {
    expect(markdown('> # a\n> b\nlazy')).toBe('<blockquote><h1>a</h1><p>b\nlazy</p></blockquote>');
  });
  test('hostile depth and length end', () => {
    for (const source of ['>'.repeat(50_000), '- '.repeat(20_000), '*'.repeat(50_000), '['.repeat(50_000), '![]('.repeat(20_000), '`'.repeat(50_001), '<'.repeat(50_000), '*a '.repeat(30_000), '|'.repeat(20_000), `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'h'.repeat(200_000), `~~~${'a'.repeat(200_000)}\``, `# ${' '.repeat(190_000)}x`, `https://a${'.'.repeat(190_000)}x`, '<a "'.repeat(50_000), '<!--'.repeat(50_000), `- a${'\n'.repeat(150_000)}  b`, '[a]('.repeat(50_000)]) {
      expect(markdown(source).length).toBeGreaterThan(0);
    }
  }, 120_000);
});

describe('what may be shown', () => {
  test('ordinary HTML stays', () => {
    expect(html('<div style="color: red; text-align:center"><b>Hi</b> &amp; bye<br></div>')).toBe('<div style="color:red;text-align:center"><b>Hi</b> & bye<br></br></div>');
    expect(html('<ul><li>a<li>b</ul><p>x<p>y')).toBe('<ul><li>a</li><li>b</li></ul><p>x</p><p>y</p>');
    expect(html('<table><tr><td colspan=2>a<td>b<tr><td>c</table>')).toBe('<table><tr><td colspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>');
  });
  test('scripts and frames are gone with what is in them', () => {
    expect(html('a<script>alert("<b>")</script>b<style>*{}</style>c<iframe src=x></iframe>d<svg><a href=x>e</a></svg>f')).toBe('abcdf');
    expect(html('<scr<script>ipt>alert(1)</script>')).not.toMatch(/<script/);
    expect(html('<script>never closed')).toBe('');
    expect(html('<SCRIPT src=//evil.example></SCRIPT>x')).toBe('x');
  });
  test('handlers, identifiers and classes are gone', () => {
    expect(html('<p onclick="x()" ONMOUSEOVER=y id=content class="top" formaction=z data-x=1>t</p>')).toBe('<p>t</p>');
    expect(html('<img src=x onerror=alert(1)>')).toBe('<img alt="" loading="lazy" src="x"></img>');
    expect(html('<a/href="/d/x"/onclick=x>t</a>')).toBe('<a href="d/x">t</a>');
  });
  test.each(['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:x', 'java\nscript:x', 'java\tscript:x', '&#106;avascript:x', '&#x6a;avascript&colon;x', 'data:text/html,<script>x</script>', 'vbscript:x', '\u0001javascript:x', 'blob:x', 'file:///etc'])(
    'an address %j leads nowhere',
    (address) => {
      expect(html(`<a href="${address}">t</a>`)).toBe('<a>t</a>');
      const rendered = written(htmlContent(markdownToHtml(`[t](<${address.replace(/[<>]/g, '')}>)`), BASE));
      expect(rendered).not.toMatch(/href="[^"]*(script|data|blob|file):/i);
    },
  );
  test('links away from here open beside it and tell nothing', () => {
    expect(html('<a href="https://x.example/">t</a>')).toBe('<a href="https://x.example/" target="_blank" rel="noopener noreferrer">t</a>');
    expect(html('<a href="/d/uid">t</a>')).toBe('<a href="d/uid">t</a>');
  });
  test('images of others become links to them', () => {
    expect(html('<img src="https://x.example/a.png" alt="A">')).toBe('<a class="text-away" href="https://x.example/a.png" target="_blank" rel="noopener noreferrer" title="An image of another server: https://x.example/a.png">A</a>');
    expect(html('<img src="data:text/html,x" alt="A">')).toBe('<span class="muted">A</span>');
    expect(html('<img src="data:image/png;base64,AA" alt="A">')).toBe('<img alt="A" loading="lazy" src="data:image/png;base64,AA"></img>');
  });
  test('styles neither load nor leave their place', () => {
    expect(safeStyle('color:red;position:fixed;background:url(x);background-image:url(x);width:expression(x);height:10px;z-index:9;behavior:x')).toEqual({ color: 'red', height: '10px' });
    expect(safeStyle('background:\\75rl(x);color:red}body{color:blue')).toEqual({ color: 'red}body{color:blue' });
    expect(safeStyle('background: image-set("a")')).toEqual({});
  });
  test('unknown elements leave their text, form controls nothing', () => {
    expect(html('<my-tag>a</my-tag><form action=x><input type=password><button>b</button><input type=checkbox checked></form>')).toBe('ab<input type="checkbox" disabled checked></input>');
  });
  test('broken and endless HTML ends', () => {
    for (const source of ['<', '</', '<a', '<a b', '<a b=', '<a b="', '<!--', '<!', '</a', '<a<b', '&#xffffff;', '&#0;', '<div>'.repeat(100_000), '<a '.repeat(50_000), '</p>'.repeat(50_000), '<p>'.repeat(50_000)]) {
      expect(typeof html(source)).toBe('string');
    }
  });
  test('character references', () => {
    expect(decodeEntities('&lt;&amp;lt; &nbsp;&unknown; &#65;&#x42; &constructor;')).toBe('<&lt; \u00a0&unknown; AB &constructor;');
  });
});

test('a link that never ends is text, however long its gap is', () => {
  expect(markdownToHtml(`[a](b${' '.repeat(150_000)}x`)).toMatch(/^<p>\[a\]\(b +x<\/p>$/);
  expect(markdownToHtml('[a](b  "t"  )')).toBe('<p><a href="b" title="t">a</a></p>');
  expect(markdownToHtml('[a](b  )')).toBe('<p><a href="b">a</a></p>');
});
