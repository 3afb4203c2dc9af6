/** Grafana's colour names and schemes as CSS colours of the page's theme. */

/** A CSS colour for a colour name of Grafana (`semi-dark-red`), or for any CSS colour. */
export function cssColor(name: string): string {
  return name;
}
