/** Pages that load when they are first shown, or when the browser has nothing better to do. */
import type { ComponentType, FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as english from './english/frame.ts';
import { currentPlace } from './router.ts';

/** Long enough for the first page to have asked its questions. */
const IDLE_MS = 2000;

/** `onlyWhenShown` leaves what is big and seldom needed on the server until then. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>, { onlyWhenShown = false } = {}): FunctionComponent<P> {
  let loaded: ComponentType<P> | undefined;
  let loading: Promise<ComponentType<P>> | undefined;
  const start = (): Promise<ComponentType<P>> =>
    (loading ??= load().then(
      (component) => (loaded = component),
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    ));
  if (!onlyWhenShown) setTimeout(() => void (['login', 'public'].includes(currentPlace().page) || start().catch(() => undefined)), IDLE_MS);

  return function Later(props: P) {
    const [, arrived] = useState(loaded !== undefined);
    const [error, failed] = useState<Error | undefined>(undefined);
    useEffect(() => {
      if (!loaded) start().then(() => arrived(true), () => failed(new Error(english.partDidNotLoad)));
    }, []);
    if (error) throw error;
    if (!loaded) return <main class="page" aria-busy="true" />;
    const Loaded = loaded;
    return <Loaded {...props} />;
  };
}
