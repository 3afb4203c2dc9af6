/** Who may come in, and what they may do. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { users, type Role, type User } from '../../api/people.ts';
import * as english from '../../english/people.ts';
import { Box } from '../../parts/box.tsx';
import { Empty, Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import type { Me } from '../../state/offers.ts';
import { makePassword, ROLE_MEANINGS } from './model.ts';
import { Done, Listed, RoleSelect, Secret, SureButton, useChanges } from './parts.tsx';

export function Users({ words, me }: { words: string; me: Me }): JSX.Element {
  const { count, failed, look, run } = useChanges();
  const found = useLoad('users', count, (signal) => users.search(words, signal), words);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<{ user: User; password: string } | undefined>(undefined);
  const reset = (user: User): void => {
    const password = makePassword();
    run(users.setPassword(user.id, password).then(() => setMade({ user, password })));
  };
  return (
    <>
      {made && (
        <Secret value={made.password} label={english.passwordOf(made.user.login)}>
          {english.newPasswordHint(<b>{made.user.login}</b>)}
        </Secret>
      )}
      <Listed
        label={english.users}
        found={found}
        items={({ users }) => users}
        failed={failed}
        making={
          <button type="button" class="button button-strong" onClick={() => setAdding(true)}>
            {english.newUser}
          </button>
        }
        words={words}
        placeholder={english.searchPlaceholder}
        empty={<Empty title={english.noUserMatches} />}
        heads={
          <>
            <th>{english.user}</th>
            <th>{english.role}</th>
            <th>{english.comesBy}</th>
            <th>{english.lastSeen}</th>
          </>
        }
        row={(user) => <Row key={user.id} user={user} isMe={me.kind === 'user' && me.login === user.login} run={run} onReset={() => reset(user)} />}
      />
      {adding && <NewUser onClose={() => (setAdding(false), look())} />}
    </>
  );
}

function Row({ user, isMe, run, onReset }: { user: User; isMe: boolean; run: (change: Promise<unknown>) => void; onReset: () => void }): JSX.Element {
  const from = user.authLabels[0];
  return (
    <tr class={user.isDisabled ? 'people-off' : ''} data-user={user.login}>
      <td>
        <span class="people-who">
          <b>
            {user.login}
            {isMe && <span class="muted"> {english.you}</span>}
            {user.isDisabled && english.disabled}
          </b>
          <span class="muted">{[user.name === user.login ? '' : user.name, user.email].filter(Boolean).join(' · ')}</span>
        </span>
      </td>
      <td>
        {/* The provider says the role anew at each sign-in. */}
        <RoleSelect value={user.orgRole} label={english.roleOf(user.login)} disabled={from !== undefined} onChange={(role) => run(users.setRole(user.id, role))} />
      </td>
      <td>{from === undefined ? english.byPassword : from === 'Generic OAuth' ? english.byOpenid : from === 'Auth Proxy' ? english.byProxy : from}</td>
      <td title={user.lastSeenAt}>{/^\d+ years?$/.test(user.lastSeenAtAge) ? english.never : english.ago(user.lastSeenAtAge)}</td>
      <td class="wide">
        <span class="people-actions">
          {from === undefined && (
            <SureButton label={user.login} sure={english.resetQuestion} onSure={onReset}>
              {english.resetPassword}
            </SureButton>
          )}
          <SureButton label={user.login} sure={english.signOutQuestion} onSure={() => run(users.signOut(user.id))}>
            {english.signOutEverywhere}
          </SureButton>
          {user.isDisabled ? (
            <button type="button" class="button" aria-label={english.enableLabel(user.login)} onClick={() => run(users.setDisabled(user.id, false))}>
              {english.enable}
            </button>
          ) : (
            <SureButton label={user.login} sure={english.disableQuestion} onSure={() => run(users.setDisabled(user.id, true))} disabled={isMe}>
              {english.disable}
            </SureButton>
          )}
          <SureButton label={user.login} sure={english.deleteQuestion} onSure={() => run(users.remove(user.id))} disabled={isMe}>
            {english.deleteAction}
          </SureButton>
        </span>
      </td>
    </tr>
  );
}

function NewUser({ onClose }: { onClose: () => void }): JSX.Element {
  const [login, setLogin] = useState('');
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('Viewer');
  const [password] = useState(() => makePassword());
  const [own, setOwn] = useState('');
  const [made, setMade] = useState<string | undefined>(undefined);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const save = (event: Event): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    users
      .create({ login: login.trim(), name: name.trim(), email: email.trim(), role, password: own || password })
      .then(() => (setFailed(undefined), setMade(login.trim())), (error: Error) => setFailed(error))
      .finally(() => setBusy(false));
  };
  if (made !== undefined)
    return (
      <Box title={english.userTitle(made)} onClose={onClose}>
        {own === '' ? (
          <Secret value={password} label={english.passwordOf(made)}>
            {english.firstPasswordHint(<b>{made}</b>)}
          </Secret>
        ) : (
          <p>{english.canSignIn(made)}</p>
        )}
        <Done strong onClose={onClose} />
      </Box>
    );
  return (
    <Box title={english.newUser} onClose={onClose}>
      <form class="box-form" onSubmit={save} autocomplete="off">
        <div class="form-grid">
          <label>
            {english.login}
            <input name="new-login" required autofocus value={login} maxLength={190} autocapitalize="none" spellcheck={false} autocomplete="off" onInput={(event) => setLogin(event.currentTarget.value)} />
          </label>
          <label>
            {english.name}
            <input name="new-name" value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <label>
            {english.mail}
            <input name="new-mail" type="email" value={email} autocomplete="off" onInput={(event) => setEmail(event.currentTarget.value)} />
          </label>
          <label>
            {english.role}
            <RoleSelect value={role} label={english.role} onChange={setRole} />
          </label>
          <label>
            {english.password}
            <input name="new-password" type="password" value={own} minLength={4} placeholder={english.passwordPlaceholder} autocomplete="new-password" onInput={(event) => setOwn(event.currentTarget.value)} />
          </label>
        </div>
        <p class="muted">{english.roleMeans(ROLE_MEANINGS[role])}</p>
        {failed && <Failure error={failed} compact />}
        <div class="box-actions">
          <button type="button" class="button" onClick={onClose}>
            {english.cancel}
          </button>
          <button type="submit" class="button button-strong" disabled={busy || login.trim() === ''}>
            {english.create}
          </button>
        </div>
      </form>
    </Box>
  );
}
