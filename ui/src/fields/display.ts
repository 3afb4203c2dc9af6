/** How a value of a field reads: its text in parts, and its colour. */

export interface DisplayValue {
  /** The value as a number, NaN if it is none. */
  numeric: number;
  /** Without prefix and suffix. */
  text: string;
  prefix?: string;
  suffix?: string;
  /** A CSS colour by thresholds, mappings or the field's scheme; absent if none says one. */
  color?: string;
  /** Where the value lies between the field's minimum and maximum, 0 to 1. */
  percent?: number;
  /** An icon by a mapping. */
  icon?: string;
}

/** Prefix, text and suffix in one. */
export const displayText = ({ prefix = '', text, suffix = '' }: DisplayValue): string => `${prefix}${text}${suffix}`;
