/** Value mappings: what is shown in place of a value. */
import type { MappingResult, ValueMapping } from '../dashboard/model.ts';
import { readRegex } from './regex.ts';

/** The first mapping that knows the value. A wrong pattern matches nothing. */
export function mapValue(mappings: readonly ValueMapping[], value: unknown): MappingResult | undefined {
  for (const mapping of mappings) {
    const result = mapped(mapping, value);
    if (result) return result;
  }
  return undefined;
}

function mapped(mapping: ValueMapping, value: unknown): MappingResult | undefined {
  switch (mapping.type) {
    case 'value': {
      const key = String(value);
      return value !== null && value !== undefined && Object.hasOwn(mapping.options, key) ? mapping.options[key] : undefined;
    }
    case 'range': {
      const number = parseFloat(String(value));
      // Limits come as numbers, as texts or not at all.
      const within = number >= limit(mapping.options.from, -Infinity) && number <= limit(mapping.options.to, Infinity);
      return value !== null && value !== undefined && within ? mapping.options.result : undefined;
    }
    case 'regex': {
      const regex = typeof value === 'string' ? readRegex(mapping.options.pattern) : undefined;
      if (!regex || typeof value !== 'string' || value.match(regex) === null) return undefined;
      const { result } = mapping.options;
      return typeof result.text === 'string' ? { ...result, text: value.replace(regex, result.text) } : { ...result };
    }
    case 'special':
      return isSpecial(mapping.options.match, value) ? mapping.options.result : undefined;
    default:
      return undefined;
  }
}

function limit(value: unknown, open: number): number {
  const number = Number(value ?? open);
  return Number.isNaN(number) ? open : number;
}

function isSpecial(match: string, value: unknown): boolean {
  const none = value === null || value === undefined;
  switch (match) {
    case 'null':
      return none;
    case 'nan':
      return Number.isNaN(value);
    case 'null+nan':
      return none || Number.isNaN(value);
    case 'true':
      return value === true || value === 'true';
    case 'false':
      return value === false || value === 'false';
    case 'empty':
      return value === '';
    default:
      return false;
  }
}
