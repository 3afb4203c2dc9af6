/** One data source: where it is, how the server says who it is, and how it is asked. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError } from '../../api/client.ts';
import { dataSources, type DataSource } from '../../api/data-sources.ts';
import { familyOf } from '../../dashboard/sources.ts';
import * as english from '../../english/data-sources.ts';
import { Failure } from '../../parts/parts.tsx';
import { guardLeaving, href, setParams } from '../../router.ts';
import { CheckField, Field, Section, SecretField, TextField } from './fields.tsx';
import { bodyOf, draftOf, fieldOf, freeHeader, HEADERS_MAX, headerSecret, isExplored, kindName, KINDS, mistakesOf, newDraft, TOKEN, type Auth, type Draft } from './model.ts';
import { Found, type Tested } from './found.tsx';
import { RemoveBox } from './remove-box.tsx';

const LEAVE = english.leaveWithoutSaving;

interface Props {
  /** Undefined for a new one. */
  source: DataSource | undefined;
  /** Of a new one. */
  type: string;
  /** Names that are taken. */
  names: readonly string[];
  tested: Tested | undefined;
  test: (uid: string) => Promise<void>;
  onSaved: (source: DataSource) => void;
  /** Somebody else changed it, or it is gone. */
  onChanged: () => void;
}

export function SourceForm({ source, type, names, tested, test, onSaved, onChanged }: Props): JSX.Element {
  const fresh = useMemo(() => (source ? draftOf(source) : newDraft(KINDS.some((kind) => kind.type === type) ? type : 'prometheus', names)), [source?.uid, source?.version]);
  const [draft, setDraft] = useState(fresh);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [removing, setRemoving] = useState(false);
  useEffect(() => {
    setDraft(fresh);
    setTried(false);
    setError(undefined);
  }, [fresh]);
  const form = useRef<HTMLFormElement>(null);
  const put = (change: Partial<Draft>): void => (setError(undefined), setDraft((last) => ({ ...last, ...change })));
  const locked = source?.readOnly === true;
  const changed = !locked && JSON.stringify(draft) !== JSON.stringify(fresh);
  const unsaved = useRef(changed);
  unsaved.current = changed;
  useEffect(() => guardLeaving(() => !unsaved.current || confirm(LEAVE), () => unsaved.current), []);

  const mistakes = tried ? mistakesOf(draft) : {};
  const refused = error && fieldOf(error.message);
  const wrong = (field: string): string | undefined => mistakes[field] ?? (refused === field ? error?.message : undefined);
  const focusWrong = (): void => void requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  const save = async (): Promise<void> => {
    setTried(true);
    if (busy || Object.keys(mistakesOf(draft)).length > 0) return focusWrong();
    setBusy(true);
    setError(undefined);
    try {
      const body = bodyOf(draft, source);
      const saved = source ? await dataSources.save(source.uid, body) : await dataSources.add(body);
      unsaved.current = false;
      setTried(false);
      onSaved(saved);
      await test(saved.uid);
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
      focusWrong();
    } finally {
      setBusy(false);
    }
  };
  const conflict = error instanceof ApiError && /updated by someone else/.test(error.message);

  return (
    <main class="page data-sources">
      <nav class="source-path" aria-label={english.above}>
        <a href="data-sources" onClick={(event) => unsaved.current && !confirm(LEAVE) && event.preventDefault()}>
          {english.dataSources}
        </a>
        <h1>/ {source ? source.name : english.newDataSource}</h1>
        {locked && <span class="read-only">{english.readOnly}</span>}
      </nav>
      {locked && <p class="muted data-sources-note">{source.url ? english.itComesFromFile : english.itIsThisServerItself}</p>}
      <form
        ref={form}
        class="source-form"
        autocomplete="off"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <fieldset class="source-all" disabled={locked}>
          <legend class="hidden">{english.settingsOfDataSource}</legend>
          <Where draft={draft} put={put} wrong={wrong} isNew={source === undefined} />
          {(!locked || source.url) && (
            <>
              <Who key={`who ${source?.version}`} draft={draft} put={put} wrong={wrong} fields={source?.secureJsonFields ?? {}} />
              <Tls key={`tls ${source?.version}`} draft={draft} put={put} wrong={wrong} fields={source?.secureJsonFields ?? {}} />
              <Asked draft={draft} put={put} wrong={wrong} />
            </>
          )}
        </fieldset>
        {error && refused === undefined && (
          <div>
            <Failure error={error} />
            {conflict && (
              <button type="button" class="button" onClick={() => (setError(undefined), onChanged())}>
                {english.loadItAnew}
              </button>
            )}
          </div>
        )}
        <div class="source-actions">
          {locked ? (
            <button type="button" class="button button-strong" onClick={() => void test(source.uid)}>
              {english.test}
            </button>
          ) : (
            <button type="submit" class="button button-strong" disabled={busy}>
              {english.saveAndTest}
            </button>
          )}
          {source && isExplored(source.type) && (
            <a class="button" href={href('explore', { source: source.uid })}>
              {english.explore}
            </a>
          )}
          {source && !locked && (
            <button type="button" class="button button-critical" onClick={() => setRemoving(true)}>
              {english.deleteAction}
            </button>
          )}
          <Found tested={tested} />
        </div>
      </form>
      {removing && source && (
        <RemoveBox
          source={source}
          onClose={() => setRemoving(false)}
          onRemoved={() => {
            unsaved.current = false;
            onChanged();
            setParams({ edit: undefined });
          }}
        />
      )}
    </main>
  );
}

interface PartProps {
  draft: Draft;
  put: (change: Partial<Draft>) => void;
  wrong: (field: string) => string | undefined;
}

function Where({ draft, put, wrong, isNew }: PartProps & { isNew: boolean }): JSX.Element {
  const kind = KINDS.find((known) => known.type === draft.type);
  const link = familyOf(draft.type) === 'traces';
  const choose = (type: string): void => put({ type, ...(draft.name.replace(/ \d+$/, '') === kindName(draft.type) ? { name: draft.name.replace(kindName(draft.type), kindName(type)) } : {}) });
  return (
    <Section title={english.whereItIs}>
      <div class="source-grid">
        <Field name={english.type} about={kind?.about ?? english.keptAndReachedAsAnyOther}>
          {(aria) =>
            isNew ? (
              <select {...aria} value={draft.type} onChange={(event) => choose(event.currentTarget.value)}>
                {KINDS.map(({ type, name }) => (
                  <option key={type} value={type} selected={type === draft.type}>
                    {name}
                  </option>
                ))}
              </select>
            ) : (
              <input {...aria} value={kindName(draft.type)} readOnly />
            )
          }
        </Field>
        <TextField name={english.name} value={draft.name} wrong={wrong('name')} about={english.whatPeopleChooseItBy} onInput={(name) => put({ name })} />
        <TextField name={english.url} value={draft.url} wrong={wrong('url')} placeholder={kind?.url ?? 'http://host:port'} inputMode="url" about={link ? english.shownToEverybody : english.asThisServerReachesIt} onInput={(url) => put({ url })} />
        <Field name={english.access} about={link ? english.readersFollowLink : english.browserNeverSeesCredentials}>
          {(aria) => <input {...aria} value="Through this server (proxy)" readOnly />}
        </Field>
      </div>
      {(isExplored(draft.type) || draft.isDefault) && <CheckField name={english.defaultLabel} about={english.askedWherePanelOrNewQuery} checked={draft.isDefault} onChange={(isDefault) => put({ isDefault })} />}
    </Section>
  );
}

const AUTHS: readonly { value: Auth; text: string }[] = [
  { value: 'none', text: 'none' },
  { value: 'basic', text: english.userAndPasswordBasicAuth },
  { value: 'token', text: english.tokenBearer },
];

function Who({ draft, put, wrong, fields }: PartProps & { fields: Record<string, boolean> }): JSX.Element {
  const secret = (name: string) => ({ isSet: fields[name] === true, value: draft.secrets[name], onChange: (value: string | undefined) => put({ secrets: changed(draft.secrets, name, value) }) });
  const token = { ...secret(TOKEN), isSet: draft.tokenAt > 0 && fields[headerSecret(draft.tokenAt)] === true };
  return (
    <Section title={english.whoAsks}>
      <div class="source-grid">
        <Field name={english.authentication}>
          {(aria) => (
            <select {...aria} value={draft.auth} onChange={(event) => put({ auth: event.currentTarget.value as Auth })}>
              {AUTHS.map(({ value, text }) => (
                <option key={value} value={value} selected={value === draft.auth}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
        {draft.auth === 'basic' && (
          <>
            <TextField name={english.user} value={draft.user} wrong={wrong('user')} onInput={(user) => put({ user })} />
            <SecretField name={english.password} wrong={wrong('basicAuthPassword')} {...secret('basicAuthPassword')} />
          </>
        )}
        {draft.auth === 'token' && <SecretField name={english.token} about={english.sentAsAuthorization} wrong={wrong(headerSecret(draft.tokenAt))} {...token} />}
      </div>
      {draft.headers.map((header) => (
        <div class="source-grid source-header" key={header.at} role="group" aria-label={english.header(header.name || header.at)}>
          <TextField
            name={english.headerLabel}
            value={header.name}
            placeholder={HEADER}
            wrong={wrong(`header${header.at}`)}
            onInput={(name) => put({ headers: draft.headers.map((other) => (other === header ? { ...other, name } : other)) })}
          />
          <SecretField name={english.valueOf(header.name || english.headerText)} about={english.keptAsSecret} wrong={wrong(headerSecret(header.at))} {...secret(headerSecret(header.at))} />
          <button
            type="button"
            class="button"
            aria-label={english.removeHeader(header.name || header.at)}
            onClick={() => put({ headers: draft.headers.filter((other) => other !== header), secrets: changed(draft.secrets, headerSecret(header.at), undefined) })}
          >
            {english.removeHeaderNote}
          </button>
        </div>
      ))}
      {draft.headers.length < HEADERS_MAX - 1 && (
        <p>
          <button type="button" class="button" onClick={() => put({ headers: [...draft.headers, { at: freeHeader(draft), name: '' }] })}>
            {english.addHeader}
          </button>
        </p>
      )}
    </Section>
  );
}

function changed(secrets: Draft['secrets'], name: string, value: string | undefined): Draft['secrets'] {
  const { [name]: _before, ...others } = secrets;
  return value === undefined ? others : { ...others, [name]: value };
}

const PEM = '-----BEGIN CERTIFICATE-----';
const PEM_KEY = '-----BEGIN PRIVATE KEY-----';
const HEADER = 'X-Scope-OrgID';

function Tls({ draft, put, wrong, fields }: PartProps & { fields: Record<string, boolean> }): JSX.Element | null {
  // Without TLS there is nothing to say of it.
  const used = /^https:/i.test(draft.url.trim()) || draft.skipVerify || draft.ownCa || draft.clientCert || draft.serverName !== '';
  if (!used) return null;
  const secret = (name: string) => ({ wrong: wrong(name), isSet: fields[name] === true, value: draft.secrets[name], onChange: (value: string | undefined) => put({ secrets: changed(draft.secrets, name, value) }) });
  return (
    <Section title={english.tls}>
      <CheckField name={english.trustAuthorityOfYourOwn} about={english.insteadOfThoseOfSystem} checked={draft.ownCa} onChange={(ownCa) => put({ ownCa })} />
      {draft.ownCa && <SecretField lines name={english.certificateOfAuthority} placeholder={PEM} {...secret('tlsCACert')} />}
      <CheckField name={english.showCertificate} about={english.mutualTls} checked={draft.clientCert} onChange={(clientCert) => put({ clientCert })} />
      {draft.clientCert && (
        <div class="source-grid">
          <SecretField lines name={english.certificate} placeholder={PEM} {...secret('tlsClientCert')} />
          <SecretField lines name={english.keyOfCertificate} placeholder={PEM_KEY} {...secret('tlsClientKey')} />
        </div>
      )}
      <div class="source-grid">
        <TextField name={english.serverName} value={draft.serverName} placeholder={english.asInUrl} about={english.nameThatItsCertificateIsFor} onInput={(serverName) => put({ serverName })} />
      </div>
      <CheckField name={english.doNotCheckItsCertificate} about={english.whoeverStandsBetweenCanThenRead} checked={draft.skipVerify} onChange={(skipVerify) => put({ skipVerify })} />
    </Section>
  );
}

function Asked({ draft, put, wrong }: PartProps): JSX.Element {
  const family = familyOf(draft.type);
  return (
    <Section title={english.howItIsAsked}>
      <div class="source-grid">
        <TextField name={english.timeoutInSeconds} value={draft.timeout} wrong={wrong('timeout')} placeholder="30" inputMode="numeric" onInput={(timeout) => put({ timeout })} />
        {family === 'metrics' && (
          <TextField name={english.scrapeInterval} value={draft.interval} wrong={wrong('interval')} placeholder="15s" about={english.shortestStepOfGraphs} onInput={(interval) => put({ interval })} />
        )}
        {family === 'logs' && <TextField name={english.linesAtMost} value={draft.maxLines} wrong={wrong('maxLines')} placeholder="1000" inputMode="numeric" about={english.ofOneQueryInExplore} onInput={(maxLines) => put({ maxLines })} />}
      </div>
    </Section>
  );
}
