/** Who may see and change what lies in a folder. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { folderGrants, teams, users, type FolderPermission, type Grant } from '../../api/people.ts';
import * as english from '../../english/dashboards.ts';
import { Failure } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';

const PERMISSIONS: readonly { value: FolderPermission; text: string }[] = [
  { value: 1, text: english.mayLook },
  { value: 2, text: english.mayEdit },
  { value: 4, text: english.mayAdminister },
];

/** Names a grant's holder in one text, and says whether two grants are of the same one. */
export const keyOf = ({ role, userUid, teamUid }: Grant): string => (userUid ? english.userWithUid(userUid) : teamUid ? english.teamWithUid(teamUid) : english.roleWithName(role ?? ''));
export const holderOf = ({ role, userUid, userLogin, teamUid, team }: Grant): string =>
  userUid ? (userLogin ?? userUid) : teamUid ? english.teamNamed(team ?? teamUid) : role === 'Viewer' ? english.allViewers : role === 'Editor' ? english.allEditors : (role ?? '');

export function PermissionsButton({ uid, title }: { uid: string; title: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="link" onClick={() => setOpen(true)}>
        {english.permissions}
      </button>
      {open && <PermissionsBox uid={uid} title={title} onClose={() => setOpen(false)} />}
    </>
  );
}

function PermissionsBox({ uid, title, onClose }: { uid: string; title: string; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const kept = useLoad(`grants ${uid}`, 0, (signal) => folderGrants.read(uid, signal));
  const everybody = useLoad('holders', 0, async (signal): Promise<Grant[]> => {
    const [people, all] = await Promise.all([users.names(signal), teams.search('', signal)]);
    return [
      { permission: 1, role: 'Viewer' },
      { permission: 2, role: 'Editor' },
      ...all.teams.map((team): Grant => ({ permission: 1, teamUid: team.uid, team: team.name })),
      ...people.map((user): Grant => ({ permission: 1, userUid: user.uid, userLogin: user.login })),
    ];
  });
  const [grants, setGrants] = useState<Grant[] | undefined>(undefined);
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const own = grants ?? kept.data?.filter(({ inherited }) => !inherited);
  const inherited = kept.data?.filter((grant) => grant.inherited) ?? [];
  const taken = new Set(own?.map(keyOf));
  const save = (event: Event): void => {
    event.preventDefault();
    if (own) folderGrants.set(uid, own).then(onClose, (error: Error) => setFailed(error));
  };
  const level = (grant: Grant): JSX.Element => (
    <select aria-label={english.permissionLabel(holderOf(grant))} value={String(grant.permission)} onChange={(event) => setGrants(own!.map((each) => (each === grant ? { ...each, permission: Number(event.currentTarget.value) as FolderPermission } : each)))}>
      {PERMISSIONS.map(({ value, text }) => (
        <option key={value} value={String(value)} selected={value === grant.permission}>
          {text}
        </option>
      ))}
    </select>
  );
  return (
    <dialog ref={dialog} class="box" aria-labelledby="permissions-title" onClose={onClose}>
      <form class="box-body" onSubmit={save}>
        <h2 id="permissions-title">{english.permissionsOf(title)}</h2>
        <p class="muted">{english.permissionsHint}</p>
        {kept.error && <Failure error={kept.error} compact />}
        {everybody.error && <Failure error={everybody.error} compact />}
        {failed && <Failure error={failed} compact />}
        {own && (
          <div class="table-scroll">
          <table class="rows">
            <tbody>
              {own.map((grant) => (
                <tr key={keyOf(grant)}>
                  <td class="wide">{holderOf(grant)}</td>
                  <td>{level(grant)}</td>
                  <td>
                    <button type="button" class="button" aria-label={english.removePermission(holderOf(grant))} onClick={() => setGrants(own.filter((each) => each !== grant))}>
                      {english.remove}
                    </button>
                  </td>
                </tr>
              ))}
              {inherited.map((grant) => (
                <tr key={`${grant.title} ${keyOf(grant)}`} class="muted">
                  <td class="wide">{holderOf(grant)}</td>
                  <td>{PERMISSIONS.find(({ value }) => value === grant.permission)?.text}</td>
                  <td>{english.fromFolder} {grant.title}</td>
                </tr>
              ))}
            </tbody>
          </table>
          </div>
        )}
        {own?.length === 0 && inherited.length === 0 && <p>{english.noPermissions}</p>}
        <label class="muted">
          {english.add}{' '}
          <select
            value=""
            onChange={(event) => {
              const grant = everybody.data?.find((each) => keyOf(each) === event.currentTarget.value);
              event.currentTarget.value = '';
              if (grant && own) setGrants([...own, grant]);
            }}
          >
            <option value="">{english.roleTeamOrUser}</option>
            {everybody.data
              ?.filter((each) => !taken.has(keyOf(each)))
              .map((each) => (
                <option key={keyOf(each)} value={keyOf(each)}>
                  {holderOf(each)}
                </option>
              ))}
          </select>
        </label>
        <div class="box-actions">
          <button type="button" class="button" onClick={onClose}>
            {english.cancel}
          </button>
          <button type="submit" class="button button-strong" disabled={grants === undefined}>
            {english.save}
          </button>
        </div>
      </form>
    </dialog>
  );
}
