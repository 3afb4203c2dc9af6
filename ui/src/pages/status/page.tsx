/** The server itself: its queries, what its series cost, its store, what it found, what it was told. */
import type { JSX } from 'preact';
import type { PageProps } from '../../app.tsx';
import * as english from '../../english/status.ts';
import { titled } from '../../english/words.ts';
import { Chips } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { Cardinality } from './cardinality.tsx';
import { Configuration } from './configuration.tsx';
import { Discovery } from './discovery.tsx';
import { readView, VIEWS } from './model.ts';
import { Monitors } from './monitors.tsx';
import { Notices } from './notices.tsx';
import { Process } from './process.tsx';
import { Queries } from './queries.tsx';
import { Store } from './store.tsx';

export function Status({ place, tick, refresh }: PageProps): JSX.Element {
  const view = readView(place.params);
  return (
    <main class="page">
      <h1 class="hidden">{english.status}</h1>
      <div class="toolbar">
        <Chips
          label={english.view}
          value={view}
          onChange={(value) => setParams({ view: value === 'queries' ? undefined : value, job: undefined, q: undefined })}
          options={VIEWS.map((value) => ({ value, text: titled(value) }))}
        />
      </div>
      {view === 'queries' && <Queries tick={tick} refresh={refresh} />}
      {view === 'cardinality' && <Cardinality tick={tick} job={place.params.get('job') ?? undefined} />}
      {view === 'store' && <Store tick={tick} />}
      {view === 'discovery' && <Discovery tick={tick} query={place.params.get('q') ?? ''} />}
      {view === 'monitors' && <Monitors tick={tick} />}
      {view === 'notices' && <Notices tick={tick} />}
      {view === 'configuration' && <Configuration tick={tick} />}
      {view === 'process' && <Process tick={tick} />}
    </main>
  );
}
