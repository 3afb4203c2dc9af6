/** Dark, light, or as the system has it. The choice is put on the document before the first paint by boot/theme.js. */
import { useEffect, useState } from 'preact/hooks';

export type Theme = 'auto' | 'dark' | 'light';
const KEY = 'promontory.theme';
const ORDER: readonly Theme[] = ['auto', 'dark', 'light'];
const listeners = new Set<() => void>();

export function chosenTheme(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'dark' || theme === 'light' ? theme : 'auto';
}

export const nextTheme = (): void => chooseTheme(ORDER[(ORDER.indexOf(chosenTheme()) + 1) % ORDER.length]!);

export function chooseTheme(theme: Theme): void {
  show(theme);
  try {
    if (theme === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    /* storage may be blocked: the choice then lasts until the next load */
  }
}

/** Takes the theme that somebody prefers everywhere, unless another one was chosen in this browser. */
export function adoptTheme(preferred: '' | 'light' | 'dark' | 'system'): void {
  if (chosenTheme() === 'auto' && (preferred === 'light' || preferred === 'dark')) show(preferred);
}

function show(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  for (const listener of listeners) listener();
}

/** Whether the page is dark right now, and what was chosen. */
export function useTheme(): { dark: boolean; theme: Theme } {
  const read = (): { dark: boolean; theme: Theme } => {
    const theme = chosenTheme();
    return { theme, dark: theme === 'auto' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark' };
  };
  const [state, setState] = useState(read);
  useEffect(() => {
    const changed = (): void => setState(read());
    const media = matchMedia('(prefers-color-scheme: dark)');
    listeners.add(changed);
    media.addEventListener('change', changed);
    return () => {
      listeners.delete(changed);
      media.removeEventListener('change', changed);
    };
  }, []);
  return state;
}
