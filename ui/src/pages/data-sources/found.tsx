/** Whether a data source answers, as it was last found. */
import type { JSX } from 'preact';
import type { Health } from '../../api/data-sources.ts';
import * as english from '../../english/data-sources.ts';
import { Mark } from '../../parts/parts.tsx';

/** What was found when a source was last tested; `testing` while it is. */
export type Tested = Health | 'testing';

/** What a test found, and how long the answer took. */
export function Found({ tested }: { tested: Tested | undefined }): JSX.Element {
  return (
    <span role="status" class="data-sources-found">
      {tested === 'testing' && <span class="muted">{english.asking}</span>}
      {tested !== undefined && tested !== 'testing' && (
        <>
          <Mark tone={tested.ok ? 'ok' : 'critical'} />
          <span class={tested.ok ? '' : 'text-critical'}>{tested.message}</span>
          {tested.tookMs > 0 && <span class="muted">{english.ms(Math.max(1, Math.round(tested.tookMs)).toLocaleString('en'))}</span>}
        </>
      )}
    </span>
  );
}
