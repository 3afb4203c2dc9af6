/** Units by Grafana's ids, and how numbers in them read. */

export interface Formatted {
  prefix?: string;
  text: string;
  suffix?: string;
}

export interface FormatOptions {
  /** `browser`, `utc` or a name of the time zone database; for the units that are moments. */
  timeZone?: string;
}

/** Grafana's units by group, for a picker. */
export const unitIds: readonly { group: string; units: readonly { id: string; name: string }[] }[] = [];

/** A value in a unit, scaled to read well. Without `decimals` there are as many as the size needs. */
export function formatValue(_unit: string | undefined, value: number | null, _decimals?: number | null, _options: FormatOptions = {}): Formatted {
  return { text: String(value) };
}
