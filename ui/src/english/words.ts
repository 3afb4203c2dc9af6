/** What the texts of all areas are made with. */
import { Fragment, h, type ComponentChildren, type JSX } from 'preact';

/** The word for so many of something. */
export const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many);

/** A value of the protocols as people read it in a list of choices: `value_and_name` is `Value and name`. */
export const titled = (value: string): string => (value.charAt(0).toUpperCase() + value.slice(1)).replace(/[_-]/g, ' ');

/** A sentence around elements of the page, such as a link or a name in bold. */
export const sentence = (texts: TemplateStringsArray, ...values: readonly ComponentChildren[]): JSX.Element => h(Fragment, null, ...texts.flatMap((text, index) => [text, values[index]]));
