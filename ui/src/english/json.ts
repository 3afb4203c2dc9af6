/** Where a text is no JSON. */

export const lineColumn = (line: number, column: number, said: string): string => `Line ${line}, column ${column}: ${said}`;
export const textEndsTooEarly = 'the text ends too early';
export const unexpected = (text: string): string => `unexpected ${text}`;
export const controlCharacterInsideString = 'a control character inside a string';
