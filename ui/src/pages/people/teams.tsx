/** Teams: users who are given something together. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { teams, users, type Team } from '../../api/people.ts';
import * as english from '../../english/people.ts';
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
        label={english.teams}
        found={found}
        items={({ teams }) => teams}
        failed={failed}
        making={<NewTeam onDone={look} />}
        words={words}
        placeholder={english.searchTeams}
        empty={<Empty title={words === '' ? english.thereAreNoTeams : english.noTeamMatches}>{words === '' && english.teamsHint}</Empty>}
        heads={
          <>
            <th>{english.team}</th>
            <th class="number">{english.members}</th>
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
                <button type="button" class="button" aria-label={english.membersLabel(team.name)} onClick={() => setOpen(team)}>
                  {english.members}
                </button>
                <SureButton label={team.name} sure={english.deleteQuestion} onSure={() => run(teams.remove(team.id))}>
                  {english.deleteAction}
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
    <Popover label={english.newTeam} button={english.newTeam}>
      {(close) => (
        <form
          class="small-form"
          onSubmit={(event) => {
            event.preventDefault();
            teams.create(name.trim()).then(() => (close(), setName(''), setFailed(undefined), onDone()), setFailed);
          }}
        >
          <label>
            {english.name}
            <input autofocus value={name} maxLength={190} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          {failed && <Failure error={failed} compact />}
          <button type="submit" class="button button-strong" disabled={name.trim() === ''}>
            {english.makeTeam}
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
    <Box title={english.teamTitle(team.name)} onClose={onClose}>
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
          {english.name}
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button" disabled={name.trim() === '' || name === team.name}>
          {english.rename}
        </button>
      </form>
      {members.data?.length === 0 && <p class="muted">{english.nobodyIsInItYet}</p>}
      {members.data && members.data.length > 0 && (
        <table class="rows">
          <tbody>
            {members.data.map((member) => (
              <tr key={member.userId}>
                <td class="wide">
                  <b>{member.login}</b> <span class="muted">{member.name === member.login ? '' : member.name}</span>
                </td>
                <td>
                  <button type="button" class="button" aria-label={english.takeOutLabel(member.login)} onClick={() => run(teams.drop(team.id, member.userId))}>
                    {english.takeOut}
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
          {english.add}
          <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
            <option value="">{english.chooseUser}</option>
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
          {english.add}
        </button>
      </form>
      <Done onClose={onClose} />
    </Box>
  );
}
