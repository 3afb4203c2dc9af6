import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** Attributes that people read, of elements and of the page's own components. */
const READ = /^(title|alt|label|placeholder|aria-(label|description|roledescription|valuetext)|sure|button|hint|heading|empty|about|note)$/;
/** What stands in these is what a machine says or is told. */
const CODE = /^(code|kbd|samp|style)$/;
/** The same in every language. */
const NAMES = new Set(['Promontory', 'UTC']);

const isCode = (text: string): boolean => /^(https?:|\/|\W*$)/.test(text) || (/[{}=<>_\\$@]|\w\.\w/.test(text) && !/\w \w+ \w/.test(text));
const isRead = (text: string): boolean => /\p{L}{2}/u.test(text) && !NAMES.has(text.trim()) && !isCode(text.trim());

/** Texts of a source that people read and that do not come from `english/`: line and text. */
function strays(name: string, source: string): string[] {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, name.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
  const found: string[] = [];
  const report = (node: ts.Node, text: string): void => {
    if (isRead(text)) found.push(`${name}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${text.trim().replace(/\s+/g, ' ')}`);
  };
  /** The literals that an expression may come to. */
  const literals = (node: ts.Node | undefined): void => {
    if (!node) return;
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) report(node, node.text);
    else if (ts.isTemplateExpression(node)) {
      report(node, [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join(' … '));
      for (const { expression } of node.templateSpans) literals(expression);
    } else if (ts.isConditionalExpression(node)) [node.whenTrue, node.whenFalse].forEach(literals);
    else if (ts.isParenthesizedExpression(node)) literals(node.expression);
    else if (ts.isBinaryExpression(node) && /^(&&|\|\||\?\?|\+)$/.test(node.operatorToken.getText())) [node.left, node.right].forEach(literals);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isJsxElement(node) && CODE.test(node.openingElement.tagName.getText())) return;
    if (ts.isJsxText(node)) report(node, node.text);
    else if (ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent)) literals(node.expression);
    else if (ts.isJsxAttribute(node) && READ.test(node.name.getText())) literals(node.initializer && ts.isJsxExpression(node.initializer) ? node.initializer.expression : node.initializer);
    else if (ts.isNewExpression(node) && /Error$/.test(node.expression.getText()) && !/^DOMException/.test(node.expression.getText())) literals(node.arguments?.[0]);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe('English texts', () => {
  it('stand in english/ alone: JSX names them there', { timeout: 120_000 }, () => {
    const sources = import.meta.glob<string>(['../**/*.{ts,tsx}', '!../**/*.test.ts', '!../english/**'], { query: '?raw', import: 'default', eager: true });
    expect(Object.keys(sources).length).toBeGreaterThan(100);
    expect(Object.entries(sources).flatMap(([name, source]) => strays(name.replace('../', 'src/'), source))).toEqual([]);
  });

  it('are found outside wherever people read them', () => {
    const page = `
      <p title="What it is">
        Some words <code>up == 0</code> {count === 0 ? 'nothing yet' : english.many} <Search label={\`Of \${name}\`} class="row wide" />
      </p>`;
    expect(strays('page.tsx', page)).toEqual(['page.tsx:2: What it is', 'page.tsx:3: Some words', 'page.tsx:3: nothing yet', 'page.tsx:3: Of …']);
    expect(strays('model.ts', `throw new ReadError('It cannot be read.', path);`)).toEqual(['model.ts:1: It cannot be read.']);
  });

  it('are not code, addresses, symbols or the name of the program', () => {
    expect(strays('page.tsx', `<p title={english.what}>· {unit === 'seconds' ? 's' : '×'} <kbd>Ctrl</kbd> <input placeholder='alertname="…"' /> Promontory <a title="https://a.example/b">{english.more}</a></p>`)).toEqual([]);
  });
});
