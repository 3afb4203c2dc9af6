/** Which data source Explore asks. */
import type { JSX } from 'preact';
import { OWN_SOURCE } from '../../api/client.ts';
import { familyOf, type DataSource } from '../../dashboard/sources.ts';
import * as english from '../../english/explore.ts';
import { Empty } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';

/** Where one came from; only dashboards of this server: whatever else stands in an address is not followed. */
export const backOf = (params: URLSearchParams): string | undefined => (/^d\/[\w-]/.test(params.get('back') ?? '') ? params.get('back')! : undefined);

export function SourcePicker({ source, sources }: { source: DataSource | undefined; sources: readonly DataSource[] }): JSX.Element {
  const choose = (uid: string): void => {
    const chosen = sources.find((candidate) => candidate.uid === uid);
    if (!chosen) return;
    const same = source && familyOf(source.type) === familyOf(chosen.type);
    // Another language: what was asked means nothing there.
    setParams({ source: uid === OWN_SOURCE ? undefined : uid, ...(same ? {} : { expr: undefined, tab: undefined }) });
  };
  const shown = source && !sources.some(({ uid }) => uid === source.uid) ? [source, ...sources] : sources;
  return (
    <p class="explore-source">
      <label>
        {english.dataSource}{' '}
        <select value={source?.uid ?? ''} onChange={(event) => choose(event.currentTarget.value)}>
          {!source && <option value="">{english.chooseOne}</option>}
          {shown.map(({ uid, name, type }) => (
            <option key={uid} value={uid} selected={uid === source?.uid}>
              {name}
              {uid === OWN_SOURCE ? english.ourOwn : `, ${type}`}
            </option>
          ))}
        </select>
      </label>
    </p>
  );
}

/** Says why a data source cannot be explored, and where one finds what it has. */
export function Unexplorable({ source }: { source: DataSource }): JSX.Element {
  const family = familyOf(source.type);
  const address = typeof source.url === 'string' && /^https?:\/\//.test(source.url) ? source.url : undefined;
  return (
    <Empty title={english.cannotBeExplored(source.name)}>
      {family === 'alertmanager' ? (
        <>
          {english.alertmanagerHoldsAlertsAndSilencesNothing(<a href="alerts">{english.alerts}</a>, <a href="silences">{english.silences}</a>)}
        </>
      ) : family === 'traces' ? (
        <>
          {english.tracesAreLookedAtWhereThey}{' '}
          {address && (
            <a href={address} target="_blank" rel="noreferrer">
              {english.open(source.name)}
            </a>
          )}
        </>
      ) : (
        <>{english.exploreAsksDataSourcesThatSpeak(source.type)}</>
      )}
    </Empty>
  );
}
