/** What is typed in Explore and what is asked: the address holds the latter, the history of this browser all that ran. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { setParams } from '../../router.ts';
import { readKept, remember, writeKept, type Kept } from '../../state/history.ts';

export interface Drafts {
  /** What is asked, as the address says. */
  expressions: readonly string[];
  /** The same as a text, to compare. */
  asked: string;
  /** `version` changes when texts were set other than by typing. */
  drafts: { texts: readonly string[]; version: number };
  /** The texts as they are now: keys may come faster than redraws. */
  typed: () => readonly string[];
  history: readonly string[];
  setDrafts: (texts: readonly string[]) => void;
  type: (index: number, text: string) => void;
  /** Asks for these. */
  show: (texts: readonly string[]) => void;
  /** Asks for what is typed. */
  run: () => void;
}

export function useDrafts(params: URLSearchParams, kept: Kept, refresh: () => void): Drafts {
  const expressions = useMemo(() => params.getAll('expr').filter((expression) => expression.trim() !== ''), [params]);
  const asked = JSON.stringify(expressions);
  const [drafts, draw] = useState<Drafts['drafts']>({ texts: expressions.length > 0 ? expressions : [''], version: 0 });
  const typed = useRef(drafts);
  const change = (texts: readonly string[], version: number): void => draw((typed.current = { texts, version }));
  const setDrafts = (texts: readonly string[]): void => change(texts, typed.current.version + 1);
  const [history, setHistory] = useState(() => readKept(kept));
  useEffect(() => {
    if (JSON.stringify(typed.current.texts.map((draft) => draft.trim()).filter(Boolean)) !== asked) setDrafts(expressions.length > 0 ? expressions : ['']);
  }, [asked]);
  const show = (next: readonly string[]): void => {
    const clean = next.map((draft) => draft.trim()).filter(Boolean);
    const remembered = clean.reduceRight(remember, history);
    setHistory(remembered);
    writeKept(kept, remembered);
    setParams({ expr: clean });
    refresh();
  };
  return {
    expressions,
    asked,
    drafts,
    typed: () => typed.current.texts,
    history,
    setDrafts,
    type: (index, text) =>
      change(
        typed.current.texts.map((draft, at) => (at === index ? text : draft)),
        typed.current.version,
      ),
    show,
    run: () => show(typed.current.texts),
  };
}
