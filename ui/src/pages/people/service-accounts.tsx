/** Accounts of programs, and the tokens they show. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { serviceAccounts, type Role, type ServiceAccount } from '../../api/people.ts';
import * as english from '../../english/people.ts';
import { moment } from '../../format/time.ts';
import { Box } from '../../parts/box.tsx';
import { Empty, Failure, Popover } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { LIFETIMES, ROLE_MEANINGS } from './model.ts';
import { ChangeHead, Done, Listed, RoleSelect, Secret, SureButton, useChanges } from './parts.tsx';

const when = (time: string | null): string => (time === null ? 'never' : moment(Date.parse(time) / 1000));

export function ServiceAccounts({ words }: { words: string }): JSX.Element {
  const { count, failed, look, run } = useChanges();
  const found = useLoad('service accounts', count, (signal) => serviceAccounts.search(words, signal), words);
  const [open, setOpen] = useState<ServiceAccount | undefined>(undefined);
  return (
    <>
      <Listed
        label={english.serviceAccounts}
        found={found}
        items={(data) => data.serviceAccounts}
        failed={failed}
        making={<NewAccount onDone={(account) => (look(), setOpen(account))} />}
        words={words}
        placeholder={english.searchServiceAccounts}
        empty={<Empty title={words === '' ? english.thereAreNoServiceAccounts : english.noServiceAccountMatches}>{words === '' && english.serviceAccountsHint}</Empty>}
        heads={
          <>
            <th>{english.account}</th>
            <th>{english.role}</th>
            <th class="number">{english.tokens}</th>
          </>
        }
        row={(account) => (
          <tr key={account.id} class={account.isDisabled ? 'people-off' : ''}>
            <td>
              <span class="people-who">
                <b>
                  {account.name}
                  {account.isDisabled && english.disabled}
                </b>
                <span class="muted">{account.login}</span>
              </span>
            </td>
            <td>
              <RoleSelect value={account.role} label={english.roleOf(account.name)} onChange={(role) => run(serviceAccounts.change(account.id, { role }))} />
            </td>
            <td class="number">{account.tokens}</td>
            <td class="wide">
              <span class="people-actions">
                <button type="button" class="button" aria-label={english.tokensLabel(account.name)} onClick={() => setOpen(account)}>
                  {english.tokens}
                </button>
                <button type="button" class="button" aria-label={`${account.isDisabled ? english.enable : english.disable}: ${account.name}`} onClick={() => run(serviceAccounts.change(account.id, { isDisabled: !account.isDisabled }))}>
                  {account.isDisabled ? english.enable : english.disable}
                </button>
                <SureButton label={account.name} sure={english.deleteQuestion} onSure={() => run(serviceAccounts.remove(account.id))}>
                  {english.deleteAction}
                </SureButton>
              </span>
            </td>
          </tr>
        )}
      />
      {open && <Tokens account={open} onClose={() => (setOpen(undefined), look())} />}
    </>
  );
}

function NewAccount({ onDone }: { onDone: (account: ServiceAccount) => void }): JSX.Element {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('Viewer');
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  return (
    <Popover label={english.newServiceAccount} button={english.newServiceAccount}>
      {(close) => (
        <form
          class="small-form"
          onSubmit={(event) => {
            event.preventDefault();
            serviceAccounts.create(name.trim(), role).then((account) => (close(), setName(''), setFailed(undefined), onDone(account)), setFailed);
          }}
        >
          <label>
            {english.name}
            <input autofocus value={name} maxLength={190} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <label>
            {english.role}
            <RoleSelect value={role} label={english.role} onChange={setRole} />
          </label>
          <p class="muted">{english.tokenMay(ROLE_MEANINGS[role])}{role === 'Editor' && english.andPushesData}.</p>
          {failed && <Failure error={failed} compact />}
          <button type="submit" class="button button-strong" disabled={name.trim() === ''}>
            {english.makeServiceAccount}
          </button>
        </form>
      )}
    </Popover>
  );
}

function Tokens({ account, onClose }: { account: ServiceAccount; onClose: () => void }): JSX.Element {
  const { count, failed, run } = useChanges();
  const tokens = useLoad(`tokens ${account.id}`, count, (signal) => serviceAccounts.tokens(account.id, signal));
  const [name, setName] = useState('');
  const [seconds, setSeconds] = useState(LIFETIMES[2]!.seconds);
  const [made, setMade] = useState<{ name: string; key: string } | undefined>(undefined);
  const add = (event: Event): void => {
    event.preventDefault();
    run(serviceAccounts.addToken(account.id, name.trim(), seconds).then(({ key }) => (setMade({ name: name.trim(), key }), setName(''))));
  };
  return (
    <Box title={english.tokensOf(account.name)} onClose={onClose}>
      {made && (
        <Secret key={made.key} value={made.key} label={english.tokenLabel(made.name)}>
          {english.newTokenHint(<b>{made.name}</b>, <code>Authorization: Bearer …</code>)}
        </Secret>
      )}
      {failed && <Failure error={failed} compact />}
      {tokens.error && <Failure error={tokens.error} compact />}
      {tokens.data?.length === 0 && <p class="muted">{english.itHasNoTokenYet}</p>}
      {tokens.data && tokens.data.length > 0 && (
        <div class="table-scroll">
          <table class="rows">
            <thead>
              <tr>
                <th>{english.token}</th>
                <th>{english.ends}</th>
                <th>{english.lastUsed}</th>
                <ChangeHead />
              </tr>
            </thead>
            <tbody>
              {tokens.data.map((token) => (
                <tr key={token.id}>
                  <td title={english.madeAt(when(token.created))}>
                    <b>{token.name}</b>
                  </td>
                  <td class={token.hasExpired ? 'text-critical' : ''}>{token.hasExpired ? english.endedAt(when(token.expiration)) : when(token.expiration)}</td>
                  <td>{when(token.lastUsedAt)}</td>
                  <td>
                    <SureButton label={token.name} sure={english.revokeQuestion} onSure={() => run(serviceAccounts.dropToken(account.id, token.id))}>
                      {english.revoke}
                    </SureButton>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <form class="people-line" onSubmit={add}>
        <label>
          {english.newToken}
          <input value={name} maxLength={190} placeholder={english.namePlaceholder} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label>
          {english.itLasts}
          <select value={String(seconds)} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
            {LIFETIMES.map((lifetime) => (
              <option key={lifetime.seconds} value={String(lifetime.seconds)} selected={lifetime.seconds === seconds}>
                {lifetime.text}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button button-strong" disabled={name.trim() === ''}>
          {english.createToken}
        </button>
      </form>
      <Done onClose={onClose} />
    </Box>
  );
}
