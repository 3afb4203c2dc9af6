/** Saying that one looks after an alert, so that nobody else is told again. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { author, rememberAuthor } from '../../alerting/author.ts';
import { alerting } from '../../api/alerting.ts';
import * as english from '../../english/alert.ts';
import { moment } from '../../format/time.ts';
import { Failure, Popover } from '../../parts/parts.tsx';
import { useLoad } from '../../state/load.ts';

export function Acknowledge({ fingerprint, tick, may }: { fingerprint: string; tick: unknown; may: boolean }): JSX.Element | null {
  const [changes, setChanges] = useState(0);
  const { data } = useLoad(`acknowledged ${fingerprint}`, tick, (signal) => alerting.acknowledgements(signal), String(changes));
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const known = data?.find((other) => other.fingerprint === fingerprint);
  const done = (after?: () => void): void => (setFailed(undefined), setChanges((count) => count + 1), after?.());
  if (known)
    return (
      <span class="acknowledged" title={english.since(moment(Date.parse(known.at) / 1000))}>
        {english.looksAfterIt(known.by)}{known.comment !== '' && `: ${known.comment}`}{' '}
        {may && (
          <button type="button" class="link" onClick={() => alerting.unacknowledge(fingerprint).then(() => done(), setFailed)}>
            {english.takeBack}
          </button>
        )}
        {failed && <Failure error={failed} compact />}
      </span>
    );
  if (!may) return null;
  return (
    <Popover button={english.acknowledge} label={english.acknowledge} align="right">
      {(close) => <Form fingerprint={fingerprint} onDone={() => done(close)} />}
    </Popover>
  );
}

function Form({ fingerprint, onDone }: { fingerprint: string; onDone: () => void }): JSX.Element {
  const [by, setBy] = useState(author);
  const [comment, setComment] = useState('');
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const save = (event: Event): void => {
    event.preventDefault();
    alerting.acknowledge(fingerprint, by.trim(), comment.trim()).then(() => (rememberAuthor(by.trim()), onDone()), setFailed);
  };
  return (
    <form class="acknowledge" onSubmit={save}>
      <p class="muted">{english.acknowledgeHint}</p>
      <label>
        {english.byLabel} <input type="text" required value={by} autocomplete="name" onInput={(event) => setBy(event.currentTarget.value)} />
      </label>
      <label>
        {english.note} <input type="text" value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
      </label>
      {failed && <Failure error={failed} compact />}
      <button type="submit" class="button button-strong">
        {english.iLookAfterIt}
      </button>
    </form>
  );
}
