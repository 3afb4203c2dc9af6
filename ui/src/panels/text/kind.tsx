/** A text of the dashboard's author: Markdown, HTML or code. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { withDefaults } from '../values/options.ts';
import { valueScope } from '../values/scope.ts';
import { Html, Markdown } from './show.tsx';
import './text.css';

const OPTIONS = {
  mode: 'markdown' as 'markdown' | 'html' | 'code',
  content: '',
  code: { language: 'plaintext', showLineNumbers: false, showMiniMap: false },
  renderMode: 'once' as 'once' | 'perRow',
};

/** Rows that a text is repeated for. */
const ROWS_SHOWN = 100;
const LINES_SHOWN = 5000;

function Text(props: PanelProps): JSX.Element {
  const { panel, frames, interpolate } = props;
  const options = useMemo(() => withDefaults(OPTIONS, panel.options), [panel.options]);
  const source = typeof options.content === 'string' ? options.content : '';
  // What variables hold is text, not part of the Markdown or HTML.
  const format = options.mode === 'code' ? undefined : 'html';
  const frame = frames[0];
  const field = frame?.fields[0];
  const texts =
    options.renderMode === 'perRow' && frame && field && frame.length > 0
      ? Array.from({ length: Math.min(ROWS_SHOWN, frame.length) }, (_, row) => interpolate(source, valueScope(field, frame, frames, row, field.values[row]), format))
      : [interpolate(source, {}, format)];
  return (
    <div class="text-panel" tabIndex={0} role="region" aria-label={panel.title || english.text}>
      {texts.map((text, index) =>
        options.mode === 'code' ? <Code key={index} source={text} numbers={options.code.showLineNumbers} language={options.code.language} /> : options.mode === 'html' ? <Html key={index} source={text} /> : <Markdown key={index} source={text} />,
      )}
    </div>
  );
}

function Code({ source, numbers, language }: { source: string; numbers: boolean; language: string }): JSX.Element {
  const lines = source.replace(/\r\n?/g, '\n').split('\n');
  if (!numbers) return <pre data-language={language}>{source}</pre>;
  return (
    <table class="text-code" role="presentation" data-language={language}>
      <tbody>
        {lines.slice(0, LINES_SHOWN).map((line, index) => (
          <tr key={index}>
            <th aria-hidden="true">{index + 1}</th>
            <td>{line === '' ? ' ' : line}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export const kind: PanelKind = {
  id: 'text',
  name: english.text,
  Component: Text,
  options: OPTIONS,
  field: {},
  data: false,
  editor: [
    {
      path: 'options.mode',
      name: english.writtenIn,
      group: english.text,
      kind: 'choice',
      choices: [
        { value: 'markdown', text: english.markdown },
        { value: 'html', text: english.html },
        { value: 'code', text: english.code },
      ],
    },
    { path: 'options.content', name: english.content, group: english.text, kind: 'lines' },
    { path: 'options.code.showLineNumbers', name: english.lineNumbers, group: english.text, kind: 'switch' },
  ],
};
