/** The sign of the program, and its name. */
import type { JSX } from 'preact';

export function Brand(): JSX.Element {
  return (
    <>
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <path d="M3 26 13 7l6 10 3.5-6L31 26z" />
      </svg>
      <span>Promontory</span>
    </>
  );
}
