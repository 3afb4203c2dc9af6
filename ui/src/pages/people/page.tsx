/** People and their access, for administrators: users, teams, service accounts, and who did what. */
import type { JSX } from 'preact';
import * as english from '../../english/people.ts';
import { ROLE_WORDS, signInAddress } from '../../me-menu.tsx';
import { Empty } from '../../parts/parts.tsx';
import { href, type Place } from '../../router.ts';
import { mayAdminister, type Offers } from '../../state/offers.ts';
import { Audit } from './audit.tsx';
import { TABS, TAB_TITLES, readTab } from './model.ts';
import './people.css';
import { ServiceAccounts } from './service-accounts.tsx';
import { Teams } from './teams.tsx';
import { Users } from './users.tsx';

export function People({ place, offers }: { place: Place; offers: Offers | undefined }): JSX.Element {
  if (!offers) return <main class="page" aria-busy="true" />;
  const { user } = offers;
  if (!user)
    return (
      <main class="page">
        <h1 class="hidden">{english.people}</h1>
        <Empty title={english.thisServerHasNoAccounts}>{english.noAccountsHint}</Empty>
      </main>
    );
  if (!mayAdminister(offers))
    return (
      <main class="page">
        <h1 class="hidden">{english.people}</h1>
        <Empty title={english.thisPageIsForAdministrators}>
          {user.kind === 'anonymous' ? (
            <>
              {english.notSignedIn(<a href={signInAddress()}>{english.signIn}</a>)}
            </>
          ) : (
            <>
              {english.onlyAdministrators(user.name, ROLE_WORDS[user.role].toLowerCase(), <a href="profile">{english.yourProfile}</a>)}
            </>
          )}
        </Empty>
      </main>
    );
  const tab = readTab(place.params);
  const words = place.params.get('q') ?? '';
  return (
    <main class="page people">
      <h1 class="hidden">{english.people}</h1>
      <nav class="tabs" aria-label={english.peopleAndAccess}>
        {TABS.map((name) => (
          <a key={name} href={href('people', name === 'users' ? {} : { tab: name })} aria-current={name === tab ? 'page' : undefined}>
            {TAB_TITLES[name]}
          </a>
        ))}
      </nav>
      {tab === 'users' && <Users words={words} me={user} />}
      {tab === 'teams' && <Teams words={words} />}
      {tab === 'accounts' && <ServiceAccounts words={words} />}
      {tab === 'audit' && <Audit params={place.params} />}
    </main>
  );
}
