/** What the operator should know, where alerts are sent on to, and who shares the work. */
import type { JSX } from 'preact';
import { alertmanager } from '../../api/alertmanager.ts';
import { api, ApiError } from '../../api/client.ts';
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
      <section class="group" aria-label="Notices">
        <header class="group-head">
          <h2>Notices</h2>
          <span class="muted">what whoever runs this server should know</span>
        </header>
        {notices.length === 0 ? (
          <Empty compact title="There is nothing to tell">
            A configuration that cannot be read, or a restart that is needed, would stand here.
          </Empty>
        ) : (
          notices.map((notice) => (
            <p key={notice.date + notice.text} class="notice">
              <Mark tone={notice.active ? 'warning' : 'quiet'} />
              <span>{notice.text}</span>
              <span class="muted">since {moment(Date.parse(notice.date) / 1000)}</span>
            </p>
          ))
        )}
      </section>
      <section class="group" aria-label="Replicas">
        <header class="group-head">
          <h2>Replicas</h2>
          <span class="muted">who shares silences and notifications with this server</span>
        </header>
        {peers.length === 0 ? (
          <Empty compact title="This server delivers alone">
            Servers with one PostgreSQL, or named to each other, tell every alert once.
          </Empty>
        ) : (
          <div class="table-scroll">
            <table class="rows">
              <thead>
                <tr>
                  <th class="wide">Name</th>
                  <th>Address</th>
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
      <section class="group" aria-label="Other Alertmanagers">
        <header class="group-head">
          <h2>Other Alertmanagers</h2>
          <span class="muted">that alerts are sent on to as well</span>
        </header>
        {sentTo.length === 0 ? (
          <Empty compact title="Alerts go to nobody else" />
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
