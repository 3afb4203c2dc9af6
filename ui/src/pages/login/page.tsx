/** The page where one signs in. It stands alone: nothing else is loaded or asked before somebody is known. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { account } from '../../api/people.ts';
import { Failure } from '../../parts/parts.tsx';
import { nextPlace, type Place } from '../../router.ts';
import { SignInForm } from '../../sign-in.tsx';
import { useLoad } from '../../state/load.ts';
import { Brand } from '../../brand.tsx';
import * as english from '../../english/login.ts';

export function Login({ place: { params } }: { place: Place }): JSX.Element {
  const options = useLoad('login options', 0, (signal) => account.options(signal));
  const next = nextPlace(params.get('next'), document.baseURI);
  const error = params.get('error');
  useEffect(() => {
    document.title = english.windowTitle;
  }, []);
  const { data } = options;
  const oidc = data?.oidc;
  const { pathname, search, hash } = new URL(next);
  return (
    <main class="login" id="content">
      <h1>
        <Brand />
        <span class="hidden"> {english.signIn}</span>
      </h1>
      {error !== null && <Failure error={new Error(english.signInFailed(error))} />}
      {options.error && <Failure error={options.error} />}
      {(data?.password ?? true) && <SignInForm onDone={() => location.replace(next)} />}
      {oidc && (
        <a class="button login-other" href={`${oidc.url}?${new URLSearchParams({ next: `${pathname}${search}${hash}` })}`}>
          {english.signInWith(oidc.name)}
        </a>
      )}
      {data && (!data.required || data.anonymous !== null) && (
        <p class="muted">
          {data.required ? english.lookingIsAllowed : english.machineIsTrusted}: <a href={next}>{english.goOn}</a>.
        </p>
      )}
    </main>
  );
}
