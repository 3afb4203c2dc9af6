/** What can be followed: nothing, a link, or a choice of several. */
import type { ComponentChildren, CSSProperties, JSX, TargetedMouseEvent } from 'preact';
import { useId, useRef } from 'preact/hooks';
import type { ReadyLink } from '../panel.ts';
import { safeHref } from './href.ts';

interface LinkedProps {
  links: readonly ReadyLink[];
  class?: string;
  style?: CSSProperties;
  title?: string;
  tabIndex?: number;
  children: ComponentChildren;
}

/** Its children as they are without links, as a link with one, as a button that offers them with several. */
export function Linked({ links, class: name = '', style, title, tabIndex, children }: LinkedProps): JSX.Element {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const ready = links.flatMap((link) => {
    const href = safeHref(link.href);
    return href === undefined ? [] : [{ ...link, href }];
  });
  if (ready.length === 0) {
    return (
      <div class={name} style={style} title={title}>
        {children}
      </div>
    );
  }
  if (ready.length === 1) {
    const [{ href, newTab, title: text }] = ready as [ReadyLink];
    return (
      <a class={`linked ${name}`} style={style} href={href} title={text || title} tabIndex={tabIndex} {...(newTab ? { target: '_blank', rel: 'noopener noreferrer' } : {})}>
        {children}
      </a>
    );
  }
  const open = (event: TargetedMouseEvent<HTMLButtonElement>): void => {
    const box = menu.current;
    if (!box) return;
    const place = event.currentTarget.getBoundingClientRect();
    box.showPopover();
    box.style.left = `${Math.max(4, Math.min(place.left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${Math.max(4, Math.min(place.bottom + 2, innerHeight - box.offsetHeight - 8))}px`;
    box.querySelector('a')?.focus();
  };
  return (
    <>
      <button type="button" class={`linked ${name}`} style={style} title={title} tabIndex={tabIndex} aria-haspopup="true" aria-controls={id} onClick={open}>
        {children}
      </button>
      <div ref={menu} id={id} popover="auto" class="link-menu">
        {ready.map(({ href, title: text, newTab }, index) => (
          <a key={index} class="menu-item" href={href} {...(newTab ? { target: '_blank', rel: 'noopener noreferrer' } : {})}>
            {text || href}
          </a>
        ))}
      </div>
    </>
  );
}
