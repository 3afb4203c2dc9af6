/** A dashboard at `/d/UID`: fetched, read, and shown; or what came instead. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { DashboardError } from '../../dashboard/load.ts';
import { loadSources, OWN } from '../../dashboard/sources.ts';
import * as english from '../../english/dashboard.ts';
import { Empty } from '../../parts/parts.tsx';
import type { Place } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import type { Offers } from '../../state/offers.ts';
import { rememberRecent } from '../dashboards/recent.ts';
import './board.css';
import { useSession } from './session.ts';
import { BoardView } from './view.tsx';

interface Props {
  place: Place;
  offers: Offers | undefined;
  alertsFiring: number;
}

export function DashboardPage({ place, offers, alertsFiring }: Props): JSX.Element {
  const session = useSession(place.uid, place.params.get('folderUid') ?? '');
  const sources = useLoad('sources', 0, loadSources);
  const { dashboard } = session;
  useEffect(() => {
    const trouble = alertsFiring > 0 ? `(${alertsFiring}) ` : '';
    document.title = `${trouble}${dashboard?.title ?? 'Dashboard'} · Promontory`;
  }, [dashboard?.title, alertsFiring]);
  const found = dashboard !== undefined;
  useEffect(() => {
    if (found && place.uid !== '') rememberRecent(place.uid);
  }, [found, place.uid]);

  if (session.error && !dashboard) return <Instead error={session.error} uid={place.uid} reload={session.reload} />;
  if (!dashboard || sources.waiting) {
    return (
      <main class="page board" aria-busy="true">
        <div class="skeleton skeleton-page" />
      </main>
    );
  }
  return <BoardView place={place} offers={offers} session={session} dashboard={dashboard} sources={sources.data ?? [OWN]} />;
}

function Instead({ error, uid, reload }: { error: Error; uid: string; reload: () => void }): JSX.Element {
  const status = error instanceof ApiError ? error.status : undefined;
  const list = <a href="dashboards">{english.allDashboards}</a>;
  return (
    <main class="page board">
      {status === 404 ? (
        <Empty title={english.noSuchDashboard}>
          {english.noSuchDashboardHint(<code>{uid}</code>)} {list}
        </Empty>
      ) : status === 403 ? (
        <Empty title={english.notAllowed}>{error.message} {list}</Empty>
      ) : error instanceof DashboardError ? (
        <Empty title={english.unreadable}>
          {error.message} {error.place !== '' && <>{english.atPlace(<code>{error.place}</code>)} </>}
          {list}
        </Empty>
      ) : (
        <Empty title={english.didNotArrive}>
          {error.message}{' '}
          <button type="button" class="button" onClick={reload}>
            {english.askAgain}
          </button>
        </Empty>
      )}
    </main>
  );
}
