/** Whether parts of the page are near the window: one observer for all of them. */
import { useEffect, useState } from 'preact/hooks';

/** How far outside of the window a panel is made ready, as a share of the window's height. */
const NEAR = '60% 0px';

const told = new Map<Element, (near: boolean) => void>();
let observer: IntersectionObserver | undefined;

function observe(element: Element, tell: (near: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) told.get(target)?.(isIntersecting);
    },
    { rootMargin: NEAR },
  );
  told.set(element, tell);
  observer.observe(element);
  return () => {
    told.delete(element);
    observer?.unobserve(element);
  };
}

/** Whether an element is near the window now, and whether it ever was. */
export function useNear(element: { current: HTMLElement | null }): { near: boolean; ever: boolean } {
  const [state, setState] = useState({ near: false, ever: false });
  useEffect(() => {
    if (!element.current) return;
    return observe(element.current, (near) => setState((last) => (last.near === near ? last : { near, ever: last.ever || near })));
  }, []);
  return state;
}
