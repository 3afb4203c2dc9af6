/** A value with its unit set smaller. */
import type { JSX } from 'preact';
import * as english from '../../english/panels.ts';
import type { DisplayValue } from '../../fields/display.ts';

export const ValueText = ({ value: { prefix, text, suffix } }: { value: DisplayValue }): JSX.Element => (
  <>
    {prefix && <span class="affix">{prefix}</span>}
    {text}
    {suffix && <span class="affix">{suffix}</span>}
  </>
);

/** What a panel of values says when it has none. */
export const NoValues = ({ text }: { text?: string }): JSX.Element => (
  <div class="no-values">
    <p>{text || english.noData}</p>
  </div>
);

/** What is not shown because there is too much of it. */
export const Left = ({ count, what = 'values' }: { count: number; what?: string }): JSX.Element | null =>
  count > 0 ? <p class="values-left muted">{english.moreNotShownOf(count.toLocaleString('en'), what)}</p> : null;
