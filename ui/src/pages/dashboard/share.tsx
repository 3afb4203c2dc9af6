/** Sharing what is seen: a link, moving on with the time or locked to it; a public address; a snapshot. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import * as english from '../../english/dashboard.ts';
import { later } from '../../lazy.tsx';
import { Chips, Popover } from '../../parts/parts.tsx';
import { currentPlace, patchParams } from '../../router.ts';
import { useBoard } from './board.ts';
import { copyText } from './panel-menu.tsx';
import { lockedPatch, viewPatch } from './view-links.ts';

type Way = 'link' | 'public' | 'snapshot';
const WAYS: readonly { value: Way; text: string }[] = [
  { value: 'link', text: english.link },
  { value: 'public', text: english.publicWord },
  { value: 'snapshot', text: english.snapshot },
];

export function Share({ ways }: { ways: { publicly: boolean; snapshots: boolean } }): JSX.Element {
  const [way, setWay] = useState<Way>('link');
  const offered = WAYS.filter(({ value }) => value === 'link' || (value === 'public' ? ways.publicly : ways.snapshots));
  return (
    <Popover label={english.share} align="right" button={english.share}>
      {() => (
        <div class="board-share">
          {offered.length > 1 && <Chips options={offered} value={way} onChange={setWay} label={english.howToShare} />}
          {way === 'public' ? <SharePublic /> : way === 'snapshot' ? <ShareSnapshot /> : <ShareLink />}
        </div>
      )}
    </Popover>
  );
}

const SharePublic = later(async () => (await import('./share-public.tsx')).SharePublic, { onlyWhenShown: true });
const ShareSnapshot = later(async () => (await import('./share-snapshot.tsx')).ShareSnapshot, { onlyWhenShown: true });

function ShareLink(): JSX.Element {
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
        <div class="small-form">
          <label class="check">
            <input type="checkbox" checked={locked} onChange={(event) => (setLocked(event.currentTarget.checked), setCopied(false))} /> {english.lockTimeRange}
          </label>
          <label class="check">
            <input type="checkbox" checked={kiosk} onChange={(event) => (setKiosk(event.currentTarget.checked), setCopied(false))} /> {english.withoutFrameKiosk}
          </label>
          <input class="mono" readOnly aria-label={english.link} value={link()} onFocus={(event) => event.currentTarget.select()} />
          <button type="button" class="button button-strong" onClick={() => void copyText(link()).then(setCopied)}>
            {copied ? english.copied : english.copyLink}
          </button>
        </div>
  );
}
