/** Asking who somebody is: on the login page, and over a page whose session has ended. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './api/client.ts';
import { account } from './api/people.ts';
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
      setFailed(name === '' ? 'Enter your user name.' : 'Enter your password.');
      empty.current?.focus();
      return;
    }
    setBusy(true);
    setFailed(undefined);
    account.signIn(name, secret).then(onDone, (error: Error) => {
      setBusy(false);
      const seconds = error instanceof ApiError && error.status === 429 ? Math.max(1, Math.ceil(error.retryAfterSeconds ?? 1)) : 0;
      setWait(seconds);
      setFailed(seconds > 0 ? `Too many attempts failed. Try again in ${seconds === 1 ? 'a second' : `${seconds} seconds`}.` : error instanceof ApiError && error.status === 401 ? 'User or password is wrong.' : error.message);
      fields.password.current?.focus();
      fields.password.current?.select();
    });
  };
  const wrong = failed === undefined ? {} : { 'aria-invalid': true as const, 'aria-describedby': 'sign-in-failed' };
  return (
    <form class="sign-in" method="post" action="login" onSubmit={submit} aria-label="Sign in" noValidate>
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
        User
        <input ref={fields.user} name="user" type="text" value={user} autocomplete="username" autofocus={login === ''} autocapitalize="none" spellcheck={false} {...wrong} onInput={(event) => setUser(event.currentTarget.value)} />
      </label>
      <div class="sign-in-secret">
        <label for="sign-in-password">Password</label>
        <input id="sign-in-password" ref={fields.password} name="password" type={(seen ? 'text' : 'password') as 'password'} value={password} autocomplete="current-password" autofocus={login !== ''} {...wrong} onInput={(event) => setPassword(event.currentTarget.value)} />
        <button type="button" class="link" aria-pressed={seen} onClick={() => setSeen(!seen)} aria-label="Show what is typed">
          {seen ? 'Hide' : 'Show'}
        </button>
      </div>
      <button type="submit" class="button button-strong" aria-disabled={busy || wait > 0}>
        {busy ? 'Signing in …' : wait > 0 ? `Wait ${wait} s` : 'Sign in'}
      </button>
    </form>
  );
}
