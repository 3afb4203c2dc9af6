/** What is under the cursor, in a box above everything else. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import * as english from '../../english/panels.ts';
import type { ReadyLink } from '../panel.ts';
import { useHover, type Hover, type HoverStore } from './hover.ts';

export interface ReadoutRow {
  key: string;
  name: string;
  value: string;
  color?: string | undefined;
  /** The one nearest to the cursor. */
  near?: boolean;
  dashed?: boolean;
}

export interface ReadoutContent {
  title: string;
  rows: readonly ReadoutRow[];
  /** How many more there are. */
  more?: number;
  /** Followed when the readout is pinned. */
  links?: readonly ReadyLink[];
  note?: ComponentChildren;
}

/** As many rows as a person reads in a moment. */
export const READOUT_ROWS = 20;
const DISTANCE_PX = 14;

export function Readout({ store, content }: { store: HoverStore; content: (hover: Hover) => ReadoutContent | undefined }): JSX.Element | null {
  const { hover, pinned } = useHover(store);
  const shown = hover && content(hover);
  return hover && shown ? <Box hover={hover} pinned={pinned} content={shown} onClose={() => store.pin(false)} /> : null;
}

function Box({ hover, pinned, content, onClose }: { hover: Hover; pinned: boolean; content: ReadoutContent; onClose: () => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    // The top layer: no panel cuts it off.
    if (element?.isConnected && !element.matches(':popover-open')) element.showPopover();
  }, []);
  const longest = content.rows.reduce((most, { name, value }) => Math.max(most, name.length + value.length), content.title.length);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const { offsetWidth: width, offsetHeight: height } = element;
    if (width !== size.width || height !== size.height) setSize({ width, height });
    // Measuring makes the browser lay out: only where the text may have another size.
  }, [content.rows.length, longest, pinned, content.note !== undefined]);
  const right = hover.pageLeft + DISTANCE_PX + size.width <= window.innerWidth - 8;
  const left = right ? hover.pageLeft + DISTANCE_PX : Math.max(8, hover.pageLeft - DISTANCE_PX - size.width);
  const top = Math.max(8, Math.min(hover.pageTop - 20, window.innerHeight - size.height - 8));
  return (
    <div ref={box} popover="manual" class={pinned ? 'plot-readout plot-readout-pinned' : 'plot-readout'} style={{ left: `${left}px`, top: `${top}px` }} aria-live="polite">
      <div class="plot-readout-head">
        <span>{content.title}</span>
        {pinned && (
          <button type="button" class="link" aria-label={english.close} onClick={onClose}>
            ×
          </button>
        )}
      </div>
      {content.rows.map((row) => (
        <div class={row.near ? 'plot-readout-row plot-readout-near' : 'plot-readout-row'} key={row.key}>
          <i class={row.dashed ? 'plot-swatch plot-swatch-dashed' : 'plot-swatch'} style={row.color === undefined ? { visibility: 'hidden' } : { color: row.color }} />
          <span class="plot-readout-name">{row.name}</span>
          <b>{row.value}</b>
        </div>
      ))}
      {content.more ? <div class="muted">{english.andMore(content.more)}</div> : null}
      {content.note}
      {content.links && content.links.length > 0 && (
        <div class="plot-readout-links">
          {pinned
            ? content.links.map((link, index) => (
                <a key={index} href={link.href} {...(link.newTab ? { target: '_blank', rel: 'noopener noreferrer' } : {})}>
                  {link.title || link.href}
                </a>
              ))
            : <span class="muted">{english.clickFor(content.links.length === 1 ? english.link : english.linkCount(content.links.length))}</span>}
        </div>
      )}
    </div>
  );
}
