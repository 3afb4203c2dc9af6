/** A list to choose from that adds what is chosen, and shows again that more can be added. */
import type { JSX } from 'preact';

interface Props {
  label: string;
  /** By groups; those without a name stand alone. */
  groups: readonly (readonly [name: string, choices: readonly { id: string; text: string }[]])[];
  onAdd: (id: string) => void;
}

export function AddField({ label, groups, onAdd }: Props): JSX.Element {
  const options = (choices: readonly { id: string; text: string }[]): JSX.Element[] =>
    choices.map(({ id, text }) => (
      <option key={id} value={id}>
        {text}
      </option>
    ));
  return (
    <select
      class="add-field"
      aria-label={label}
      value=""
      onChange={(event) => {
        const { value } = event.currentTarget;
        event.currentTarget.value = '';
        if (value !== '') onAdd(value);
      }}
    >
      <option value="">{label}…</option>
      {groups.map(([name, choices]) =>
        name === '' ? (
          options(choices)
        ) : (
          <optgroup key={name} label={name}>
            {options(choices)}
          </optgroup>
        ),
      )}
    </select>
  );
}
