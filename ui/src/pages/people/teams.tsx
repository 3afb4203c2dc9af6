/** Teams: users who are given something together. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { teams, users, type Team } from '../../api/people.ts';
import { Box } from '../../parts/box.tsx';
import { Empty, Failure, Popover, Search } from '../../parts/parts.tsx';
import { setParams } from '../../router.ts';
import { useLoad } from '../../state/load.ts';
import { SureButton } from './parts.tsx';

export function Teams({ words }: { words: string }): JSX.Element {
  const [changes, setChanges] = useState(0);
  const found = useLoad('teams', changes, (signal) => teams.search(words, signal), words);
  const [open, setOpen] = useState<Team | undefined>(undefined);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const changed = (): void => setChanges((count) => count + 1);
  const { data, error } = found;
  return (
    <>
      <div class="toolbar">
        <NewTeam onDone={changed} />
        <Search value={words} placeholder="Search teams" onInput={(q) => setParams({ q: q || undefined }, { replace: true })} />
      </div>
      {failed && <Failure error={failed} />}
      {error && <Failure error={error} />}
      {!data && !error && <div class="skeleton skeleton-page" />}
      {data?.teams.length === 0 && <Empty title={words === '' ? 'There are no teams' : 'No team matches'}>{words === '' && 'A team is given a folder as one user is, in the folder’s permissions.'}</Empty>}
      {data && data.teams.length > 0 && (
        <section class="panel table-scroll" aria-label="Teams">
          <table class="rows">
            <thead>
              <tr>
                <th>Team</th>
                <th class="number">Members</th>
                <th>
                  <span class="hidden">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.teams.map((team) => (
                <tr key={team.id}>
                  <td>
                    <b>{team.name}</b> <span class="muted">{team.email}</span>
                  </td>
                  <td class="number">{team.memberCount}</td>
                  <td class="wide">
                    <span class="people-actions">
                      <button type="button" class="button" aria-label={`Members: ${team.name}`} onClick={() => setOpen(team)}>
                        Members
                      </button>
                      <SureButton label={team.name} sure="Really delete" onSure={() => void teams.remove(team.id).then(() => setFailed(undefined), setFailed).finally(changed)}>
                        Delete
                      </SureButton>
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {data.totalCount > data.teams.length && (
            <p class="more">
              The first {data.teams.length} of {data.totalCount}. Search for the others.
            </p>
          )}
        </section>
      )}
      {open && <Members team={open} onClose={() => (setOpen(undefined), changed())} />}
    </>
  );
}

function NewTeam({ onDone }: { onDone: () => void }): JSX.Element {
  const [name, setName] = useState('');
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  return (
    <Popover label="New team" button="New team">
      {(close) => (
        <form
          class="small-form"
          onSubmit={(event) => {
            event.preventDefault();
            teams.create(name.trim()).then(() => (close(), setName(''), setFailed(undefined), onDone()), setFailed);
          }}
        >
          <label>
            Name
            <input autofocus value={name} maxLength={190} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          {failed && <Failure error={failed} compact />}
          <button type="submit" class="button button-strong" disabled={name.trim() === ''}>
            Make team
          </button>
        </form>
      )}
    </Popover>
  );
}

function Members({ team, onClose }: { team: Team; onClose: () => void }): JSX.Element {
  const [changes, setChanges] = useState(0);
  const [chosen, setChosen] = useState('');
  const [name, setName] = useState(team.name);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const members = useLoad(`members ${team.id}`, changes, (signal) => teams.members(team.id, signal));
  const names = useLoad('names', 0, (signal) => users.names(signal));
  const run = (change: Promise<unknown>): void =>
    void change.then(() => (setFailed(undefined), setChosen('')), (error: Error) => setFailed(error)).finally(() => setChanges((count) => count + 1));
  const inside = new Set(members.data?.map(({ userId }) => userId));
  return (
    <Box title={`Team ${team.name}`} onClose={onClose}>
      {failed && <Failure error={failed} compact />}
      {members.error && <Failure error={members.error} compact />}
      <form
        class="people-line"
        onSubmit={(event) => {
          event.preventDefault();
          run(teams.rename(team.id, name.trim(), team.email));
        }}
      >
        <label>
          Name
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button" disabled={name.trim() === '' || name === team.name}>
          Rename
        </button>
      </form>
      {members.data?.length === 0 && <p class="muted">Nobody is in it yet.</p>}
      {members.data && members.data.length > 0 && (
        <table class="rows">
          <tbody>
            {members.data.map((member) => (
              <tr key={member.userId}>
                <td class="wide">
                  <b>{member.login}</b> <span class="muted">{member.name === member.login ? '' : member.name}</span>
                </td>
                <td>
                  <button type="button" class="button" aria-label={`Take out: ${member.login}`} onClick={() => run(teams.drop(team.id, member.userId))}>
                    Take out
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <form
        class="people-line"
        onSubmit={(event) => {
          event.preventDefault();
          run(teams.add(team.id, Number(chosen)));
        }}
      >
        <label>
          Add
          <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
            <option value="">Choose a user</option>
            {names.data
              ?.filter(({ userId }) => !inside.has(userId))
              .map(({ userId, login }) => (
                <option key={userId} value={String(userId)} selected={chosen === String(userId)}>
                  {login}
                </option>
              ))}
          </select>
        </label>
        <button type="submit" class="button button-strong" disabled={chosen === ''}>
          Add
        </button>
      </form>
      <div class="box-actions">
        <button type="button" class="button" onClick={onClose}>
          Done
        </button>
      </div>
    </Box>
  );
}
