/** One's own account: name and password, where one is signed in, what one prefers, what one marked. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { dashboards } from '../../api/dashboards.ts';
import { account, type Myself, type Preferences } from '../../api/people.ts';
import * as english from '../../english/profile.ts';
import { moment } from '../../format/time.ts';
import { ROLE_WORDS, signInAddress } from '../../me-menu.tsx';
import { Chips, Empty, Failure } from '../../parts/parts.tsx';
import { dashboardHref } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { learnOffers, type Offers } from '../../state/offers.ts';
import { chooseTheme, useTheme, type Theme } from '../../state/theme.ts';
import '../people/people.css';
import { SureButton } from '../people/parts.tsx';
import { browserName, timeZones } from './model.ts';

export function Profile({ offers }: { offers: Offers | undefined }): JSX.Element {
  const me = useLoad(offers?.user ? 'me' : null, offers, (signal) => account.read(signal));
  if (!offers) return <main class="page" aria-busy="true" />;
  const { user } = offers;
  if (!user)
    return (
      <main class="page">
        <h1 class="hidden">{english.profile}</h1>
        <Empty title={english.thisServerHasNoAccounts}>{english.nobodyHasProfile}</Empty>
      </main>
    );
  if (user.kind === 'anonymous')
    return (
      <main class="page">
        <h1 class="hidden">{english.profile}</h1>
        <Empty title={english.youAreNotSignedIn}>
          {english.toHaveProfile(<a href={signInAddress()}>{english.signIn}</a>)}
        </Empty>
      </main>
    );
  const own = user.kind === 'user';
  return (
    <main class="page profile">
      <h1>{own ? user.name : english.thisMachine}</h1>
      {me.error && <Failure error={me.error} />}
      {!own && (
        <Section title={english.account}>
          <p class="profile-text muted">{english.machineHint}</p>
        </Section>
      )}
      {own && me.data && <Account key={me.data.login} me={me.data} />}
      {own && me.data && !me.data.isExternal && <Password login={me.data.login} />}
      {offers.preferences && <Prefer preferences={offers.preferences} />}
      {offers.preferences && <Stars />}
      {own && <Sessions />}
    </main>
  );
}

function Section({ title, children, meta }: { title: string; children: ComponentChildren; meta?: ComponentChildren }): JSX.Element {
  return (
    <section class="group" aria-label={title}>
      <header class="group-head">
        <h2>{title}</h2>
        {meta}
      </header>
      {children}
    </section>
  );
}

/** What became of the last try to save. */
function useSaving(): { saved: boolean; failed: Error | undefined; run: (change: Promise<unknown>, after?: () => void) => void; touch: () => void } {
  const [saved, setSaved] = useState(false);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const run = (change: Promise<unknown>, after?: () => void): void =>
    void change.then(() => (setFailed(undefined), setSaved(true), after?.()), (error: Error) => (setSaved(false), setFailed(error)));
  return { saved, failed, run, touch: () => setSaved(false) };
}

function Account({ me }: { me: Myself }): JSX.Element {
  const [name, setName] = useState(me.name);
  const [email, setEmail] = useState(me.email);
  const { saved, failed, run, touch } = useSaving();
  const teams = useLoad('my teams', 0, (signal) => account.teams(signal));
  return (
    <Section
      title={english.account}
      meta={
        <span class="muted">
          {me.login} · {ROLE_WORDS[me.isGrafanaAdmin ? 'Admin' : me.orgRole]}
          {teams.data && teams.data.length > 0 && english.inTeams(teams.data.map((team) => team.name).join(', '))}
        </span>
      }
    >
      {failed && <Failure error={failed} compact />}
      {me.isExternal ? (
        <p class="profile-text muted">{english.accountFromElsewhere}</p>
      ) : (
        <form
          class="people-line"
          onSubmit={(event) => {
            event.preventDefault();
            run(account.change({ login: me.login, name: name.trim(), email: email.trim() }), learnOffers);
          }}
        >
          <label>
            {english.name}
            <input value={name} autocomplete="name" onInput={(event) => (touch(), setName(event.currentTarget.value))} />
          </label>
          <label>
            {english.mail}
            <input type="email" value={email} autocomplete="email" onInput={(event) => (touch(), setEmail(event.currentTarget.value))} />
          </label>
          <button type="submit" class="button" disabled={name === me.name && email === me.email}>
            {english.save}
          </button>
          <span role="status">{saved && english.saved}</span>
        </form>
      )}
    </Section>
  );
}

function Password({ login }: { login: string }): JSX.Element {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [again, setAgain] = useState('');
  const { saved, failed, run, touch } = useSaving();
  const [differ, setDiffer] = useState(false);
  const save = (event: Event): void => {
    event.preventDefault();
    setDiffer(after !== again);
    if (after !== again) return;
    // A changed password ends every session, this one as well: sign in again with the new one, unseen.
    run(
      account.changePassword(before, after).then(() => account.signIn(login, after)),
      () => (setBefore(''), setAfter(''), setAgain(''), learnOffers()),
    );
  };
  return (
    <Section title={english.password}>
      {differ && <Failure error={new Error(english.newPasswordsDiffer)} compact />}
      {failed && <Failure error={failed} compact />}
      <form class="people-line" onSubmit={save}>
        <input type="text" class="hidden" tabIndex={-1} aria-hidden="true" autocomplete="username" value={login} readOnly />
        <label>
          {english.presentPassword}
          <input type="password" value={before} required autocomplete="current-password" onInput={(event) => (touch(), setBefore(event.currentTarget.value))} />
        </label>
        <label>
          {english.newPassword}
          <input type="password" value={after} required minLength={4} autocomplete="new-password" onInput={(event) => (touch(), setAfter(event.currentTarget.value))} />
        </label>
        <label>
          {english.newPasswordAgain}
          <input type="password" value={again} required autocomplete="new-password" aria-invalid={differ} onInput={(event) => (setDiffer(false), setAgain(event.currentTarget.value))} />
        </label>
        <button type="submit" class="button" disabled={before === '' || after === '' || again === ''}>
          {english.change}
        </button>
      </form>
      <p class="profile-text muted" role="status">
        {saved ? english.passwordChanged : english.passwordHint}
      </p>
    </Section>
  );
}

const THEMES: readonly { value: Theme; text: string }[] = [
  { value: 'auto', text: english.asSystem },
  { value: 'dark', text: english.dark },
  { value: 'light', text: english.light },
];

function Prefer({ preferences }: { preferences: Preferences }): JSX.Element {
  const { theme } = useTheme();
  const all = useLoad('all dashboards', 0, (signal) => dashboards.search({ type: 'dash-db' }, signal));
  const { saved, failed, run } = useSaving();
  const prefer = (what: Partial<Preferences>): void => run(account.prefer(what), learnOffers);
  const { homeDashboardUID: home, timezone } = preferences;
  return (
    <Section title={english.preferences} meta={<span role="status" class="muted">{saved && english.saved}</span>}>
      {failed && <Failure error={failed} compact />}
      <div class="people-line">
        <div>
          <span class="muted">{english.theme}</span>
          <Chips label={english.theme} value={theme} options={THEMES} onChange={(value) => (chooseTheme(value), prefer({ theme: value === 'auto' ? 'system' : value }))} />
        </div>
        <label>
          {english.home}
          <select value={home} onChange={(event) => prefer({ homeDashboardUID: event.currentTarget.value })}>
            <option value="">{english.overview}</option>
            {home !== '' && !all.data?.some(({ uid }) => uid === home) && (
              <option value={home} selected>
                {home}
              </option>
            )}
            {all.data?.map(({ uid, title, folderTitle }) => (
              <option key={uid} value={uid} selected={uid === home}>
                {folderTitle ? `${folderTitle} / ${title}` : title}
              </option>
            ))}
          </select>
        </label>
        <label>
          {english.timeZoneOfDashboards}
          <select value={timezone} onChange={(event) => prefer({ timezone: event.currentTarget.value })}>
            <option value="">{english.asEachDashboardSays}</option>
            {[...new Set(['browser', 'utc', ...(timezone === '' ? [] : [timezone]), ...timeZones()])].map((name) => (
              <option key={name} value={name} selected={name === timezone}>
                {name === 'browser' ? english.thisBrowsers : name === 'utc' ? 'UTC' : name}
              </option>
            ))}
          </select>
        </label>
      </div>
    </Section>
  );
}

function Stars(): JSX.Element {
  const [changes, setChanges] = useState(0);
  const starred = useLoad('my stars', changes, (signal) => dashboards.search({ starred: true, type: 'dash-db' }, signal));
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  return (
    <Section title={english.stars}>
      {failed && <Failure error={failed} compact />}
      {starred.error && <Failure error={starred.error} compact />}
      {starred.data?.length === 0 && <p class="profile-text muted">{english.noStars}</p>}
      <ul>
        {starred.data?.map(({ uid, title, folderTitle }) => (
          <li key={uid}>
            <button type="button" class="link" aria-label={english.unstarLabel(title)} title={english.unstar} onClick={() => void dashboards.star(uid, false).then(() => setFailed(undefined), setFailed).finally(() => setChanges((count) => count + 1))}>
              ★
            </button>{' '}
            <a href={dashboardHref(uid)}>{title}</a> <span class="muted">{folderTitle}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Sessions(): JSX.Element {
  const [changes, setChanges] = useState(0);
  const sessions = useLoad('my sessions', changes, (signal) => account.sessions(signal));
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  return (
    <Section title={english.sessions} meta={<span class="muted">{english.sessionsAbout}</span>}>
      {failed && <Failure error={failed} compact />}
      {sessions.error && <Failure error={sessions.error} compact />}
      {sessions.data && sessions.data.length > 0 && (
        <div class="table-scroll">
          <table class="rows">
            <thead>
              <tr>
                <th class="wide">{english.browser}</th>
                <th>{english.fromLabel}</th>
                <th>{english.since}</th>
                <th>{english.lastSeen}</th>
                <th>
                  <span class="hidden">{english.end}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {sessions.data.map(({ id, isActive, browser, clientIp, createdAt, seenAt }) => (
                <tr key={id}>
                  <td title={browser}>{browserName(browser)}</td>
                  <td class="mono">{clientIp}</td>
                  <td>{moment(Date.parse(createdAt) / 1000)}</td>
                  <td>{moment(Date.parse(seenAt) / 1000)}</td>
                  <td class="number">
                    {isActive ? (
                      <span class="muted">{english.thisOne}</span>
                    ) : (
                      <SureButton label={browserName(browser)} sure={english.endQuestion} onSure={() => void account.endSession(id).then(() => setFailed(undefined), setFailed).finally(() => setChanges((count) => count + 1))}>
                        {english.end}
                      </SureButton>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {sessions.data?.length === 0 && <p class="profile-text muted">{english.noSession}</p>}
    </Section>
  );
}
