/**
 * The PromQL editor, loaded when Explore is first shown.
 *
 * It lives in a shadow root: there CodeMirror keeps its styles in adopted style sheets, which the
 * content-security policy allows, while in the document it would add inline <style> elements, which it
 * does not.
 */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder, tooltips } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import * as english from '../../english/explore.ts';

const highlighting = HighlightStyle.define([
  { tag: [tags.name, tags.variableName], color: 'var(--text)' },
  { tag: [tags.keyword, tags.function(tags.variableName), tags.operatorKeyword, tags.modifier], color: 'var(--code-keyword)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: [tags.number, tags.unit], color: 'var(--code-number)' },
  { tag: [tags.operator, tags.paren, tags.squareBracket, tags.brace, tags.punctuation], color: 'var(--muted)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--critical)' },
]);

const theme = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--text)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px', maxHeight: '240px', overflow: 'auto' },
  '.cm-content': { padding: '7px 0', caretColor: 'var(--text)', minHeight: '34px' },
  '.cm-line': { padding: '0 10px' },
  '.cm-placeholder': { color: 'var(--muted)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': { backgroundColor: 'var(--selection)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--selection)', outline: '1px solid var(--line-strong)' },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'transparent', color: 'var(--critical)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--critical)', textUnderlineOffset: '3px' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line-strong)', borderRadius: '6px', boxShadow: 'var(--shadow)', overflow: 'hidden' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '280px', maxWidth: 'min(700px, 90vw)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px', color: 'var(--text)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-fill)', color: 'var(--on-accent)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail': { color: 'inherit' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-completionLabel': { paddingRight: '12px' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-completionDetail': { float: 'right', fontStyle: 'normal', color: 'var(--muted)', marginLeft: '1em' },
  '.cm-tooltip.cm-completionInfo': { padding: '8px 10px', maxWidth: '360px', fontFamily: 'var(--sans)', fontSize: '12px', whiteSpace: 'pre-wrap' },
  '.cm-tooltip-lint, .cm-diagnostic': { fontFamily: 'var(--sans)', fontSize: '12px' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--critical)' },
});

export interface Editor {
  read: () => string;
  write: (text: string) => void;
  focus: () => void;
  destroy: () => void;
}

export function mountEditor(host: HTMLElement, options: { text: string; label: string; lint: boolean; base: string; onChange: (text: string) => void; onRun: () => void }): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const promql = new PromQLExtension().setComplete({
    remote: { url: document.baseURI.replace(/\/$/, ''), apiPrefix: `/${options.base.replace(/\/$/, '')}`, httpMethod: 'GET', httpErrorHandler: () => undefined },
  });
  promql.activateLinter(options.lint);
  const run = (): boolean => {
    options.onRun();
    return true;
  };
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        history(),
        closeBrackets(),
        bracketMatching(),
        autocompletion({ maxRenderedOptions: 100 }),
        tooltips({ position: 'fixed' }),
        syntaxHighlighting(highlighting),
        theme,
        promql.asExtension(),
        EditorView.lineWrapping,
        placeholder(english.editorPlaceholder),
        EditorView.contentAttributes.of({ 'aria-label': options.label }),
        Prec.highest(keymap.of([{ key: 'Mod-Enter', run }])),
        keymap.of([
          ...completionKeymap,
          { key: 'Enter', run },
          { key: 'Shift-Enter', run: insertNewlineAndIndent },
          ...closeBracketsKeymap,
          ...historyKeymap,
          ...lintKeymap,
          ...defaultKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onChange(update.state.doc.toString());
        }),
      ],
    }),
  });
  // The host stands in the document for the editor: whoever focuses it means the text.
  const focus = (): void => view.focus();
  host.addEventListener('focus', focus);
  return {
    read: () => view.state.doc.toString(),
    write: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    focus: () => view.focus(),
    destroy: () => {
      host.removeEventListener('focus', focus);
      promql.destroy();
      view.destroy();
    },
  };
}
