/** Explore: whatever a data source holds, asked by hand. */
import type { JSX } from 'preact';
import { OWN_SOURCE } from '../../api/client.ts';
import type { PageProps } from '../../app.tsx';
import { canAsk, familyOf, listSources, OWN } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { Empty, Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { ExploreLogs } from './logs.tsx';
import { ExploreMetrics } from './promql.tsx';
import { SourcePicker, Unexplorable } from './source.tsx';

export function Explore(props: PageProps): JSX.Element {
  const named = props.place.params.get('source') || OWN_SOURCE;
  const sources = useLoad('sources', 0, listSources);
  const listed = sources.data?.find(({ uid }) => uid === named) ?? sources.data?.find(({ name }) => name === named);
  // Our own is there also before the list is, and without one.
  const source = listed ?? (named === OWN_SOURCE ? OWN : undefined);
  const choices = (sources.data ?? []).filter(canAsk);
  return (
    <main class="page explore">
      <h1 class="hidden">{english.explore}</h1>
      {(choices.length > 1 || named !== OWN_SOURCE) && <SourcePicker source={source} sources={choices} />}
      {source === undefined ? (
        sources.waiting ? (
          <div class="skeleton skeleton-result" />
        ) : sources.error ? (
          <Failure error={sources.error} />
        ) : (
          <Empty title={english.thereIsNoSuchDataSource}>
            {english.noneHereIsCalled(named, <a href="explore">{english.askOurOwnMetrics}</a>, <a href="data-sources">{english.whichThereAre}</a>)}
          </Empty>
        )
      ) : familyOf(source.type) === 'metrics' ? (
        <ExploreMetrics key={source.uid} {...props} source={source} />
      ) : familyOf(source.type) === 'logs' ? (
        <ExploreLogs key={source.uid} {...props} source={source} />
      ) : (
        <Unexplorable source={source} />
      )}
    </main>
  );
}
