/** A link to what is seen, moving on with the time or locked to it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Popover } from '../../parts/parts.tsx';
import { currentPlace, patchParams } from '../../router.ts';
import { useBoard } from './board.ts';
import { copyText } from './panel-menu.tsx';
import { lockedPatch, viewPatch } from './view-links.ts';

export function Share(): JSX.Element {
  const board = useBoard();
  const [locked, setLocked] = useState(true);
  const [kiosk, setKiosk] = useState(false);
  const [copied, setCopied] = useState(false);
  const link = (): string => {
    const place = currentPlace();
    const params = patchParams(place.params, {
      ...(locked ? lockedPatch(board) : viewPatch(board)),
      ...board.variables.patch(),
      ...(locked ? { refresh: undefined } : {}),
      kiosk: kiosk ? '1' : undefined,
      editPanel: undefined,
      inspect: undefined,
      inspectTab: undefined,
    });
    return new URL(`${place.path}?${params}`, document.baseURI).href;
  };
  return (
    <Popover label="Share" align="right" button="Share">
      {() => (
        <div class="small-form board-share">
          <label class="check">
            <input type="checkbox" checked={locked} onChange={(event) => (setLocked(event.currentTarget.checked), setCopied(false))} /> Lock the time range
          </label>
          <label class="check">
            <input type="checkbox" checked={kiosk} onChange={(event) => (setKiosk(event.currentTarget.checked), setCopied(false))} /> Without frame (kiosk)
          </label>
          <input class="mono" readOnly aria-label="Link" value={link()} onFocus={(event) => event.currentTarget.select()} />
          <button type="button" class="button button-strong" onClick={() => void copyText(link()).then(setCopied)}>
            {copied ? 'Copied' : 'Copy link'}
          </button>
        </div>
      )}
    </Popover>
  );
}
