/**
 * Regular expressions of dashboards, which anybody may have written, without those that never end: `/(a+)+$/` takes longer
 * than anybody lives on thirty letters. A text on which a pattern could take too many steps is read by an automaton that
 * goes over it once, with the same result. Patterns with assertions about what comes or came before, and with
 * back-references, have no such automaton: those that could run without end are refused.
 */
import * as english from '../english/fields.ts';

/** What the browser's own regular expressions may take, at worst, for one text. */
const NATIVE_STEPS = 1_000_000;
/** Instructions of an automaton: repetitions by number are written out. */
const PROGRAM_LIMIT = 4_000;

type Node =
  | { kind: 'char'; source: string }
  | { kind: 'assert'; source: '^' | '$' | '\\b' | '\\B' }
  | { kind: 'all'; parts: Node[] }
  | { kind: 'any'; parts: Node[] }
  | { kind: 'group'; body: Node; index: number | undefined }
  | { kind: 'repeat'; body: Node; min: number; max: number; greedy: boolean; from: number; to: number };

type Step =
  | { op: 'char'; test: (char: string) => boolean }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { op: 'save'; slot: number }
  | { op: 'clear'; from: number; to: number }
  | { op: 'assert'; source: string }
  | { op: 'match' };

interface Read {
  node: Node;
  groups: number;
  /** Whether there is nothing in it that an automaton does not know. */
  plain: boolean;
}

/** The structure of a pattern that the browser has accepted. */
function read(source: string, unicode: boolean): Read {
  let at = 0;
  let groups = 0;
  let plain = true;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const alternatives = (): Node => {
    const parts = [sequence()];
    while (source[at] === '|') {
      at += 1;
      parts.push(sequence());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'any', parts };
  };
  const sequence = (): Node => {
    const parts: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(quantified());
    return { kind: 'all', parts };
  };
  const quantified = (): Node => {
    const before = groups;
    const body = atom();
    const sign = take(/[*+?]|\{\d+(?:,\d*)?\}/y);
    if (sign === undefined) return body;
    const greedy = take(/\?/y) === undefined;
    const [least, most] = sign.slice(1, -1).split(',');
    const [min, max] = sign === '*' ? [0, Infinity] : sign === '+' ? [1, Infinity] : sign === '?' ? [0, 1] : [Number(least), most === undefined ? Number(least) : most === '' ? Infinity : Number(most)];
    return { kind: 'repeat', body, min, max, greedy, from: before + 1, to: groups };
  };
  const atom = (): Node => {
    const sign = source[at];
    if (sign === '(') {
      at += 1;
      const capture = take(/\?<(?![=!])[^>]*>/y) !== undefined || source[at] !== '?';
      const index = capture ? (groups += 1) : undefined;
      if (!capture && take(/\?:/y) === undefined) {
        plain = false;
        take(/\?(?:<?[=!]|[a-z-]*:)/y);
      }
      const body = alternatives();
      at += 1;
      return { kind: 'group', body, index };
    }
    if (sign === '^' || sign === '$') {
      at += 1;
      return { kind: 'assert', source: sign };
    }
    const edge = take(/\\[bB]/y);
    if (edge) return { kind: 'assert', source: edge as '\\b' };
    if (take(/\\(?:[1-9]\d*|k<[^>]*>)/y)) {
      plain = false;
      return { kind: 'char', source: '[^]' };
    }
    const written = take(/\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|u\{[^}]*\}|[pP]\{[^}]*\}|c[a-zA-Z]|[^])|\[(?:\\[^]|[^\]\\])*\]/y) ?? String.fromCodePoint(source.codePointAt(at)!).slice(0, unicode ? 2 : 1);
    if (source.startsWith(written, at)) at += written.length;
    return { kind: 'char', source: written };
  };
  const node = alternatives();
  return { node, groups, plain: plain && at === source.length };
}

/** How many ways there are through a part of a pattern: `factor` times the length of the text to the power of `power`. */
function ways(node: Node): { power: number; factor: number } {
  switch (node.kind) {
    case 'all':
      return node.parts.map(ways).reduce((a, b) => ({ power: a.power + b.power, factor: a.factor * b.factor }), { power: 0, factor: 1 });
    case 'any':
      return node.parts.map(ways).reduce((a, b) => ({ power: Math.max(a.power, b.power), factor: a.factor + b.factor }), { power: 0, factor: 0 });
    case 'group':
      return ways(node.body);
    case 'repeat': {
      const inner = ways(node.body);
      if (node.max <= 1) return { power: inner.power, factor: inner.factor + 1 };
      if (inner.power > 0 || inner.factor > 1) return { power: node.max === node.min && inner.power === 0 && node.max < 5 ? 0 : Infinity, factor: inner.factor ** Math.min(node.max, 5) };
      return node.max === Infinity ? { power: 1, factor: 1 } : { power: 0, factor: node.max - node.min + 1 };
    }
    default:
      return { power: 0, factor: 1 };
  }
}

/** The automaton's program; undefined for one that is too long. */
function compile({ node, plain }: Read, flags: string): Step[] | undefined {
  if (!plain || flags.includes('v')) return undefined;
  const steps: Step[] = [];
  const charFlags = flags.replace(/[^isu]/g, '');
  const tests = new Map<string, (char: string) => boolean>();
  const testOf = (source: string): ((char: string) => boolean) => {
    let test = tests.get(source);
    if (!test) {
      const regex = new RegExp(`^(?:${source})$`, charFlags);
      const known = new Map<string, boolean>();
      test = (char) => {
        let found = known.get(char);
        if (found === undefined) known.set(char, (found = regex.test(char)));
        return found;
      };
      tests.set(source, test);
    }
    return test;
  };
  const put = (step: Step): number => {
    if (steps.length >= PROGRAM_LIMIT) throw new RangeError();
    return steps.push(step) - 1;
  };
  const fork = (greedy: boolean): ((to: number) => void) => {
    const at = put({ op: 'split', first: steps.length + 1, second: steps.length + 1 });
    return (to) => void (steps[at] = greedy ? { op: 'split', first: at + 1, second: to } : { op: 'split', first: to, second: at + 1 });
  };
  const write = (part: Node): void => {
    switch (part.kind) {
      case 'char':
        put({ op: 'char', test: testOf(part.source) });
        return;
      case 'assert':
        put({ op: 'assert', source: part.source });
        return;
      case 'all':
        part.parts.forEach(write);
        return;
      case 'any': {
        const ends: number[] = [];
        part.parts.forEach((one, index) => {
          const last = index === part.parts.length - 1;
          const other = last ? undefined : fork(true);
          write(one);
          if (!last) ends.push(put({ op: 'jump', to: 0 }));
          other?.(steps.length);
        });
        for (const end of ends) steps[end] = { op: 'jump', to: steps.length };
        return;
      }
      case 'group':
        if (part.index !== undefined) put({ op: 'save', slot: 2 * part.index });
        write(part.body);
        if (part.index !== undefined) put({ op: 'save', slot: 2 * part.index + 1 });
        return;
      case 'repeat': {
        const once = (): void => {
          // What a group found in the turn before is forgotten.
          if (part.to >= part.from) put({ op: 'clear', from: 2 * part.from, to: 2 * part.to + 1 });
          write(part.body);
        };
        for (let count = 0; count < part.min; count += 1) once();
        if (part.max === Infinity) {
          const start = steps.length;
          const leave = fork(part.greedy);
          once();
          put({ op: 'jump', to: start });
          leave(steps.length);
        } else {
          const leaves: ((to: number) => void)[] = [];
          for (let count = part.min; count < part.max; count += 1) {
            leaves.push(fork(part.greedy));
            once();
          }
          for (const leave of leaves) leave(steps.length);
        }
      }
    }
  };
  try {
    write(node);
    put({ op: 'match' });
    return steps;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const isWord = (char: string | undefined): boolean => char !== undefined && /^\w$/.test(char);

function holds(source: string, text: string, at: number, multiline: boolean): boolean {
  if (source === '^') return at === 0 || (multiline && /[\n\r\u2028\u2029]/.test(text[at - 1]!));
  if (source === '$') return at === text.length || (multiline && /[\n\r\u2028\u2029]/.test(text[at]!));
  return (isWord(text[at - 1]) !== isWord(text[at])) === (source === '\\b');
}

type Slots = readonly (number | undefined)[];

/** Where the first match from `start` on lies, and its groups: all threads go over the text together, the preferred first. */
function search(steps: readonly Step[], text: string, start: number, { sticky, multiline, unicode }: RegExp): Slots | undefined {
  const marks = new Int32Array(steps.length).fill(-1);
  let threads: { pc: number; slots: Slots }[] = [];
  let found: Slots | undefined;
  const add = (list: typeof threads, pc: number, slots: Slots, at: number): void => {
    for (let now = pc; ; ) {
      if (marks[now] === at) return;
      marks[now] = at;
      const step = steps[now]!;
      if (step.op === 'jump') now = step.to;
      else if (step.op === 'split') {
        add(list, step.first, slots, at);
        now = step.second;
      } else if (step.op === 'save' || step.op === 'clear') {
        const next = slots.slice();
        if (step.op === 'save') next[step.slot] = at;
        else next.fill(undefined, step.from, step.to + 1);
        slots = next;
        now += 1;
      } else if (step.op === 'assert') {
        if (!holds(step.source, text, at, multiline)) return;
        now += 1;
      } else {
        list.push({ pc: now, slots });
        return;
      }
    }
  };
  const none: Slots = [];
  for (let at = start; at <= text.length; ) {
    if (!found && (at === start || !sticky)) add(threads, 0, Object.assign([], none, { 0: at }), at);
    if (threads.length === 0 && (found || sticky)) break;
    const char = at < text.length ? (unicode ? String.fromCodePoint(text.codePointAt(at)!) : text[at]!) : '';
    const after = at + Math.max(1, char.length);
    const next: typeof threads = [];
    for (const { pc, slots } of threads) {
      const step = steps[pc]!;
      if (step.op === 'match') {
        found = slots.slice();
        (found as (number | undefined)[])[1] = at;
        break;
      }
      if (step.op === 'char' && char !== '' && step.test(char)) add(next, pc + 1, slots, after);
    }
    threads = next;
    at = after;
  }
  return found;
}

/** A regular expression as any other, that takes no longer than a text deserves. */
export class SafeRegExp extends RegExp {
  readonly #power: number;
  readonly #factor: number;
  readonly #read: Read;
  readonly #names: readonly (readonly [name: string, index: number])[];
  #steps: Step[] | undefined;
  #compiled = false;

  /** Throws a `SyntaxError` for what is none, and for what could run without end. */
  constructor(source: string | RegExp, flags?: string) {
    super(source, flags);
    this.#read = read(this.source, this.unicode);
    const { power, factor } = ways(this.#read.node);
    [this.#power, this.#factor] = [power, factor];
    if (power === Infinity && !this.#program()) throw new SyntaxError(english.invalidRegularExpression);
    let index = 0;
    this.#names = [...this.source.matchAll(/\\[^]|\[(?:\\[^]|[^\]\\])*\]|\((?:\?<(?![=!])([^>]*)>|(?!\?))/g)].flatMap(([whole, name]) => (whole.startsWith('(') ? [[name, (index += 1)] as const] : [])).filter((pair): pair is readonly [string, number] => pair[0] !== undefined);
  }

  #program(): Step[] | undefined {
    if (!this.#compiled) this.#steps = compile(this.#read, this.flags);
    this.#compiled = true;
    return this.#steps;
  }

  /** What takes too long and has no automaton finds nothing. */
  override exec(text: string): RegExpExecArray | null {
    const whole = String(text);
    if (this.#factor * Math.max(1, whole.length) ** (this.#power + 1) <= NATIVE_STEPS) return super.exec(whole);
    const moves = this.global || this.sticky;
    const steps = this.#program();
    const slots = steps && this.lastIndex <= whole.length ? search(steps, whole, moves ? this.lastIndex : 0, this) : undefined;
    if (moves) this.lastIndex = slots?.[1] ?? 0;
    if (!slots) return null;
    const part = (index: number): string | undefined => (slots[2 * index] === undefined || slots[2 * index + 1] === undefined ? undefined : whole.slice(slots[2 * index], slots[2 * index + 1]));
    const parts = Array.from({ length: this.#read.groups + 1 }, (_, index) => part(index)) as string[];
    const groups = this.#names.length === 0 ? undefined : Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(this.#names.map(([name, index]) => [name, part(index)])));
    return Object.assign(parts, { index: slots[0]!, input: whole, groups }) as unknown as RegExpExecArray;
  }
}
