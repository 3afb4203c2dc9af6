/** Who is here, in the bar: what they may do, their own settings, and the way out. */
import type { JSX } from 'preact';
import { account } from './api/people.ts';
import * as english from './english/frame.ts';
import { Popover } from './parts/parts.tsx';
import { currentPlace, href } from './router.ts';
import { mayAdminister, type Me, type Offers } from './state/offers.ts';

export const ROLE_WORDS: Record<Me['role'], string> = { None: english.noRole, Viewer: english.viewer, Editor: english.editor, Admin: english.administrator };

export const signInAddress = (): string => {
  const { path, params } = currentPlace();
  const query = params.toString();
  return href('login', path === '' && query === '' ? {} : { next: `${path}${query === '' ? '' : `?${query}`}` });
};

function signOut(): void {
  const leave = (): void => location.assign(new URL('login', document.baseURI));
  account.signOut().then(leave, leave);
}

export function MeMenu({ offers }: { offers: Offers | undefined }): JSX.Element | null {
  const user = offers?.user;
  if (!user) return null;
  const name = user.kind === 'local' ? english.thisMachine : user.kind === 'anonymous' ? english.notSignedIn : user.name;
  return (
    <div class="me-menu">
      <Popover
        label={english.youAre(name, ROLE_WORDS[user.role])}
        title={`${name}, ${ROLE_WORDS[user.role]}`}
        align="right"
        button={
          <span class="me">
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M8 1.5a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM2 14.2c0-3 2.7-4.8 6-4.8s6 1.8 6 4.8z" />
            </svg>
            {user.kind === 'user' && <span class="ellipsis">{name}</span>}
          </span>
        }
      >
        {(close) => (
          <div class="me-box" role="group" aria-label={english.you} onClick={(event) => event.target instanceof HTMLAnchorElement && close()}>
            <p>
              <b>{name}</b>
              <span class="muted">
                {user.kind === 'user' && name !== user.login && `${user.login} · `}
                {ROLE_WORDS[user.role]}
                {user.kind === 'local' && english.withoutSigningIn}
              </span>
            </p>
            <a class="menu-item" href="profile">
              {user.kind === 'user' ? english.profileAndSessions : english.preferences}
            </a>
            {mayAdminister(offers) && (
              <a class="menu-item" href="people">
                {english.peopleAndAccess}
              </a>
            )}
            {mayAdminister(offers) && (
              <a class="menu-item" href="data-sources">
                {english.dataSources}
              </a>
            )}
            {user.canLogOut && (
              <button type="button" class="menu-item" onClick={signOut}>
                {english.signOut}
              </button>
            )}
            {(user.kind === 'anonymous' || user.kind === 'local') && (
              <a class="menu-item" href={signInAddress()}>
                {english.signIn}
              </a>
            )}
          </div>
        )}
      </Popover>
    </div>
  );
}
