/** Kinds that are not drawn here: they say so, and show what they were given as a table. */
import type { JSX } from 'preact';
import * as english from '../../english/panels.ts';
import type { PanelKind, PanelProps } from '../panel.ts';
import { Mark } from '../../parts/parts.tsx';
import { TablePanel } from '../table/kind.tsx';
import { safeHref } from '../values/href.ts';
import '../lists/lists.css';

const NOTE = 26;

/** A kind of Grafana's that has no picture here. */
export function undrawn(id: string, name: string, data = true): PanelKind {
  function Undrawn(props: PanelProps): JSX.Element {
    const { panel, frames, height } = props;
    const feed = safeHref(typeof panel.options?.['feedUrl'] === 'string' ? panel.options['feedUrl'] : '');
    const shown = data && frames.some(({ fields }) => fields.length > 0);
    return (
      <div class="undrawn">
        <p class="undrawn-note" role="note">
          <Mark tone="info" />
          <span>
            {english.notDrawnHere(name, shown ? english.thisIsItsData : data ? english.andNoData : '.')}
            {feed !== undefined && (
              <>
                {' '}
                <a class="link" href={feed} target="_blank" rel="noopener noreferrer">
                  {english.openFeed}
                </a>
              </>
            )}
          </span>
        </p>
        {shown && (
          <div class="undrawn-data">
            {/* The options are those of another kind, and mean nothing to a table. */}
            <TablePanel {...props} panel={{ ...panel, options: {} }} height={Math.max(0, height - NOTE)} />
          </div>
        )}
      </div>
    );
  }
  return { id, name, Component: Undrawn, options: {}, field: {}, data, editor: [] };
}
