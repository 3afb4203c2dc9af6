/** Teams: users who are given something together. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { teams, users, type Team } from '../../api/people.ts';
import { Box } from '../../parts/box.tsx';
import { Empty, Failure, Popover } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';
import { Done, Listed, SureButton, useChanges } from './parts.tsx';

export function Teams({ words }: { words: string }): JSX.Element {
  const { count, failed, look, run } = useChanges();
  const found = useLoad('teams', count, (signal) => teams.search(words, signal), words);
  const [open, setOpen] = useState<Team | undefined>(undefined);
  return (
    <>
      <Listed
        label="Teams"
        found={found}
        items={({ teams }) => teams}
        failed={failed}
        making={<NewTeam onDone={look} />}
        words={words}
        placeholder="Search teams"
        empty={<Empty title={words === '' ? 'There are no teams' : 'No team matches'}>{words === '' && 'A team is given a folder as one user is, in the folder’s permissions.'}</Empty>}
        heads={
          <>
            <th>Team</th>
            <th class="number">Members</th>
          </>
        }
        row={(team) => (
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
                <SureButton label={team.name} sure="Really delete" onSure={() => run(teams.remove(team.id))}>
                  Delete
                </SureButton>
              </span>
            </td>
          </tr>
        )}
      />
      {open && <Members team={open} onClose={() => (setOpen(undefined), look())} />}
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
  const { count, failed, run } = useChanges();
  const [chosen, setChosen] = useState('');
  const [name, setName] = useState(team.name);
  const members = useLoad(`members ${team.id}`, count, (signal) => teams.members(team.id, signal));
  const names = useLoad('names', 0, (signal) => users.names(signal));
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
          run(teams.add(team.id, Number(chosen)).then(() => setChosen('')));
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
      <Done onClose={onClose} />
    </Box>
  );
}
