/** Over a page with something in it that would be lost: sign in again, and go on. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { account } from './api/people.ts';
import * as english from './english/frame.ts';
import { SignInForm } from './sign-in.tsx';
import { useLoad } from './state/load.ts';
import { currentOffers, learnOffers, useOffers } from './state/offers.ts';
import { watchSessionEnd } from './state/session.ts';

export function SessionEnded({ refresh }: { refresh: () => void }): JSX.Element | null {
  const [ended, setEnded] = useState(false);
  useEffect(() => watchSessionEnd(() => setEnded(true)), []);
  // Whoever is known again, by another tab or a changed password, is not asked any more.
  const offers = useOffers();
  useEffect(() => setEnded(false), [offers]);
  const done = (): void => {
    setEnded(false);
    learnOffers();
    refresh();
  };
  return ended ? <Ask onDone={done} onCancel={() => setEnded(false)} /> : null;
}

function Ask({ onDone, onCancel }: { onDone: () => void; onCancel: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const options = useLoad('login options', 0, (signal) => account.options(signal));
  const user = currentOffers()?.user;
  return (
    <dialog ref={dialog} class="box session-ended" aria-labelledby="session-ended" onClose={onCancel}>
      <div class="box-body">
        <h2 id="session-ended">{english.yourSessionHasEnded}</h2>
        <p class="muted">{english.signInToGoOn}</p>
        {(options.data?.password ?? true) && <SignInForm login={user?.kind === 'user' ? user.login : ''} onDone={onDone} />}
        {options.data?.oidc && (
          <p>
            <a href={options.data.oidc.url} target="_blank" rel="noopener">
              {english.signInWith(options.data.oidc.name)}
            </a>{' '}
            <span class="muted">{english.inAnotherTabThen}</span>{' '}
            <button type="button" class="link" onClick={onDone}>
              {english.goOnHere}
            </button>
            .
          </p>
        )}
        <div class="box-actions">
          <button type="button" class="link" onClick={onCancel}>
            {english.notNow}
          </button>
        </div>
      </div>
    </dialog>
  );
}
