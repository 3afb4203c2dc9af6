/** LogQL, as far as it is written here: matchers are put into what somebody asked. */
import type { SourceFilters } from './variables/set.ts';

/** With further matchers in every selector: those are what stands in braces outside of texts. */
export function addToStreams(expression: string, filters: SourceFilters['filters']): string {
  const added = filters.map(({ key, operator, value }) => `${key}${operator}${JSON.stringify(value)}`).join(', ');
  return expression.replace(/"(?:[^"\\]|\\.)*"|`[^`]*`|\{((?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^{}"`])*)\}/g, (whole, inner?: string) => (inner === undefined ? whole : inner.trim() === '' ? `{${added}}` : `{${inner}, ${added}}`));
}
