/** What the operator should know, where alerts are sent on to, and who shares the work. */
import type { JSX } from 'preact';
import { alertmanager } from '../../api/alertmanager.ts';
import { api, ApiError } from '../../api/client.ts';
import * as english from '../../english/status.ts';
import { moment } from '../../format/time.ts';
import { Empty, Failure, Mark } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Tick } from '../../state/refresh.ts';

export function Notices({ tick }: { tick: Tick }): JSX.Element {
  const { data, error } = useLoad('notices', tick, async (signal) => {
    const [notices, sentTo, replicas] = await Promise.all([
      api.notices(signal),
      api.alertmanagers(signal),
      // A server that delivers no alerts itself has no such answer.
      alertmanager.status(signal).catch((failure: unknown) => {
        if (failure instanceof ApiError && failure.status === 404) return undefined;
        throw failure;
      }),
    ]);
    return { notices, sentTo, replicas };
  });
  if (error && !data) return <Failure error={error} />;
  if (!data) return <div class="skeleton skeleton-page" />;
  const { notices, sentTo, replicas } = data;
  const peers = replicas?.cluster.peers ?? [];
  return (
    <>
      <section class="group" aria-label={english.notices}>
        <header class="group-head">
          <h2>{english.notices}</h2>
          <span class="muted">{english.noticesAbout}</span>
        </header>
        {notices.length === 0 ? (
          <Empty compact title={english.noNotices}>
            {english.noNoticesHint}
          </Empty>
        ) : (
          notices.map((notice) => (
            <p key={notice.date + notice.text} class="notice">
              <Mark tone={notice.active ? 'warning' : 'quiet'} />
              <span>{notice.text}</span>
              <span class="muted">{english.since(moment(Date.parse(notice.date) / 1000))}</span>
            </p>
          ))
        )}
      </section>
      <section class="group" aria-label={english.replicas}>
        <header class="group-head">
          <h2>{english.replicas}</h2>
          <span class="muted">{english.replicasAbout}</span>
        </header>
        {peers.length === 0 ? (
          <Empty compact title={english.thisServerDeliversAlone}>
            {english.noReplicasHint}
          </Empty>
        ) : (
          <div class="table-scroll">
            <table class="rows">
              <thead>
                <tr>
                  <th class="wide">{english.name}</th>
                  <th>{english.address}</th>
                </tr>
              </thead>
              <tbody>
                {peers.map((peer) => (
                  <tr key={peer.name}>
                    <td class="wide">{peer.name}</td>
                    <td class="mono">{peer.address}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <section class="group" aria-label={english.otherAlertmanagers}>
        <header class="group-head">
          <h2>{english.otherAlertmanagers}</h2>
          <span class="muted">{english.alertmanagersAbout}</span>
        </header>
        {sentTo.length === 0 ? (
          <Empty compact title={english.alertsGoToNobodyElse} />
        ) : (
          <ul class="plain-list mono">
            {sentTo.map((url) => (
              <li key={url}>{url}</li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}
