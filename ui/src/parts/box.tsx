/** A box over the page, for what is done there before one goes on. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Escape closes it, and so does `onClose`'s owner by not drawing it. */
export function Box({ title, children, onClose }: { title: string; children: ComponentChildren; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);
  return (
    <dialog ref={dialog} class="box people-box" aria-labelledby="box-title" onClose={onClose}>
      <div class="box-body">
        <h2 id="box-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
