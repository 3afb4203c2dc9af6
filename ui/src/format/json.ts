/** JSON as people write it: its mistakes have a place. */
import * as english from '../english/json.ts';

/** Where in a text JSON ends to be JSON. */
export class JsonMistake extends Error {
  constructor(
    readonly line: number,
    readonly column: number,
    said: string,
  ) {
    super(english.lineColumn(line, column, said));
    this.name = 'JsonMistake';
  }
}

/** Reads JSON; a mistake is named with its line and column, which browsers say in different ways or not at all. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const offset = mistakeOffset(text);
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    const column = offset - before.lastIndexOf('\n');
    const what = offset >= text.length ? english.textEndsTooEarly : english.unexpected(JSON.stringify(text[offset]));
    throw new JsonMistake(line, column, /control character/i.test(said) ? english.controlCharacterInsideString : what);
  }
}

/** The offset of the first character that JSON does not allow; the length of the text if it only ends too early. */
export function mistakeOffset(text: string): number {
  let at = 0;
  const fail = (): never => {
    throw at;
  };
  const space = (): void => {
    while (at < text.length && ' \t\n\r'.includes(text[at]!)) at += 1;
  };
  const word = (expected: string): void => {
    for (const letter of expected) {
      if (text[at] !== letter) fail();
      at += 1;
    }
  };
  const string = (): void => {
    word('"');
    for (;;) {
      const letter = text[at];
      if (letter === undefined || letter < ' ') fail();
      at += 1;
      if (letter === '"') return;
      if (letter !== '\\') continue;
      if (text[at] === 'u') {
        at += 1;
        for (let digit = 0; digit < 4; digit += 1, at += 1) if (!/[0-9a-f]/i.test(text[at] ?? '')) fail();
      } else if (!'"\\/bfnrt'.includes(text[at] ?? ' ')) fail();
      else at += 1;
    }
  };
  const number = (): void => {
    const rest = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/.exec(text.slice(at, at + 400));
    if (!rest) fail();
    else at += rest[0].length;
  };
  // Without recursion: a hostile text may be nested as deep as it is long.
  const open: ('{' | '[')[] = [];
  try {
    value: for (;;) {
      space();
      const letter = text[at];
      if (letter === '{' || letter === '[') {
        at += 1;
        open.push(letter);
        space();
        if (text[at] === (letter === '{' ? '}' : ']')) {
          at += 1;
          open.pop();
        } else {
          if (letter === '{') key();
          continue;
        }
      } else if (letter === '"') string();
      else if (letter === 't') word('true');
      else if (letter === 'f') word('false');
      else if (letter === 'n') word('null');
      else number();
      for (;;) {
        space();
        const inside = open[open.length - 1];
        if (inside === undefined) return at < text.length ? at : text.length;
        if (text[at] === ',') {
          at += 1;
          if (inside === '{') key();
          continue value;
        }
        if (text[at] !== (inside === '{' ? '}' : ']')) fail();
        at += 1;
        open.pop();
      }
    }
  } catch (offset) {
    if (typeof offset === 'number') return offset;
    throw offset;
  }
  function key(): void {
    space();
    string();
    space();
    word(':');
  }
}
