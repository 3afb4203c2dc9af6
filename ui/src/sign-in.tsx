/** Asking who somebody is: on the login page, and over a page whose session has ended. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './api/client.ts';
import { account } from './api/people.ts';
import * as english from './english/frame.ts';
import { Mark } from './parts/parts.tsx';

export function SignInForm({ login = '', onDone }: { login?: string; onDone: () => void }): JSX.Element {
  const [user, setUser] = useState(login);
  const [password, setPassword] = useState('');
  const [seen, setSeen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string | undefined>(undefined);
  const [wait, setWait] = useState(0);
  const fields = { user: useRef<HTMLInputElement>(null), password: useRef<HTMLInputElement>(null) };
  useEffect(() => (login === '' ? fields.user : fields.password).current?.focus(), []);
  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (busy || wait > 0) return;
    // A password manager may have filled the fields without telling.
    const name = (fields.user.current?.value ?? user).trim();
    const secret = fields.password.current?.value ?? password;
    const empty = name === '' ? fields.user : secret === '' ? fields.password : undefined;
    if (empty) {
      setFailed(name === '' ? english.enterYourUserName : english.enterYourPassword);
      empty.current?.focus();
      return;
    }
    setBusy(true);
    setFailed(undefined);
    account.signIn(name, secret).then(onDone, (error: Error) => {
      setBusy(false);
      const seconds = error instanceof ApiError && error.status === 429 ? Math.max(1, Math.ceil(error.retryAfterSeconds ?? 1)) : 0;
      setWait(seconds);
      setFailed(seconds > 0 ? english.tooManyAttempts(seconds === 1 ? english.second : english.secondCount(seconds)) : error instanceof ApiError && error.status === 401 ? english.wrongPassword : error.message);
      fields.password.current?.focus();
      fields.password.current?.select();
    });
  };
  const wrong = failed === undefined ? {} : { 'aria-invalid': true as const, 'aria-describedby': 'sign-in-failed' };
  return (
    <form class="sign-in" method="post" action="login" onSubmit={submit} aria-label={english.signIn} noValidate>
      {/* There before it says something, so that it is read out. */}
      <div role="alert" id="sign-in-failed">
        {failed !== undefined && (
          <p class="failure">
            <Mark tone="critical" />
            {failed}
          </p>
        )}
      </div>
      <label>
        {english.user}
        <input ref={fields.user} name="user" type="text" value={user} autocomplete="username" autofocus={login === ''} autocapitalize="none" spellcheck={false} {...wrong} onInput={(event) => setUser(event.currentTarget.value)} />
      </label>
      <div class="sign-in-secret">
        <label for="sign-in-password">{english.password}</label>
        <input id="sign-in-password" ref={fields.password} name="password" type={(seen ? 'text' : 'password') as 'password'} value={password} autocomplete="current-password" autofocus={login !== ''} {...wrong} onInput={(event) => setPassword(event.currentTarget.value)} />
        <button type="button" class="link" aria-pressed={seen} onClick={() => setSeen(!seen)} aria-label={english.showWhatIsTyped}>
          {seen ? english.hide : english.show}
        </button>
      </div>
      <button type="submit" class="button button-strong" aria-disabled={busy || wait > 0}>
        {busy ? english.signingIn : wait > 0 ? english.waitSeconds(wait) : english.signIn}
      </button>
    </form>
  );
}
