//! Reads RE2 syntax as Go does, with Go's errors, into the tree that `regex-automata` compiles.
//!
//! The parser keeps its own stack of open groups, so that no pattern can exhaust the thread's.

use super::class;
use crate::error::{Error, RegexErrorCode as Code};
use regex_syntax::hir::{Capture, Class, ClassUnicode, Dot, Hir, HirKind, Look, Repetition};

/// Go's bound on a count and on the product of nested counts.
const REPEAT_MAX: u32 = 1000;
/// The bound on the height of the tree. Go's is 1000, but its stacks grow; ours must do with what a
/// thread has, as compiling recurses. The deepest pattern known in the wild has 128 levels.
const HEIGHT_MAX: u32 = 250;
/// Go's bound on instructions: 128 MiB of 40 bytes each.
const SIZE_MAX: u64 = (128 << 20) / 40;

/// The bound on ranges in all classes together: 16 MiB. More would not compile within its limit.
const RANGES_MAX: usize = 2 << 20;

/// A pattern read.
pub(super) struct Parsed {
    pub(super) hir: Hir,
    /// The name of each group, in order of the opening parentheses; the whole match is first.
    pub(super) group_names: Vec<Option<Box<str>>>,
}

/// Reads `pattern`. `dot_newline` is the flag `s` in force from the start.
pub(super) fn parse(pattern: &str, dot_newline: bool) -> Result<Parsed, Error> {
    let mut parser = Parser {
        pattern,
        flags: Flags { fold: false, dot_newline, multi_line: false, lazy: false },
        groups: Vec::new(),
        open: Group::default(),
        group_names: vec![None],
        range_count: 0,
    };
    let node = parser.run()?;
    Ok(Parsed { hir: node.hir, group_names: parser.group_names })
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    dot_newline: bool,
    multi_line: bool,
    lazy: bool,
}

/// A finished subexpression, with the measures that Go's limits are about.
struct Node {
    hir: Hir,
    height: u32,
    /// Instructions.
    size: u64,
    /// The largest product of nested counts.
    repeats: u64,
}

impl Node {
    fn leaf(hir: Hir) -> Self {
        Node { hir, height: 1, size: 1, repeats: 1 }
    }
}

/// What stands between a `(` and here.
#[derive(Default)]
struct Group {
    /// Finished alternatives.
    alternatives: Vec<Node>,
    /// The alternative being read.
    sequence: Vec<Node>,
    /// To be restored at the `)`.
    flags_outside: Flags,
    /// The number of a capturing group.
    capture: Option<u32>,
}

struct Parser<'p> {
    pattern: &'p str,
    flags: Flags,
    /// The groups around the one that is open.
    groups: Vec<Group>,
    open: Group,
    group_names: Vec<Option<Box<str>>>,
    /// The ranges in all classes so far.
    range_count: usize,
}

fn fail<T>(code: Code, expr: &str) -> Result<T, Error> {
    Err(Error::Regex { code, expr: expr.to_string() })
}

/// The part of `before` that was consumed when `after` remains.
fn consumed<'p>(before: &'p str, after: &str) -> &'p str {
    &before[..before.len() - after.len()]
}

/// Splits off the first character.
fn next_char(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|c| (c, chars.as_str()))
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<Node, Error> {
        let mut rest = self.pattern;
        // Where the repetition started that ends just before `rest`, if one does.
        let mut last_repeat: Option<&'p str> = None;
        while let Some((c, after)) = next_char(rest) {
            let mut repeat = None;
            rest = match c {
                '(' if after.starts_with('?') => self.open_special(rest)?,
                '(' => {
                    self.open_capture(None);
                    after
                }
                '|' => {
                    let sequence = self.take_sequence()?;
                    self.open.alternatives.push(sequence);
                    after
                }
                ')' => {
                    self.close()?;
                    after
                }
                '^' => {
                    self.look(if self.flags.multi_line { Look::StartLF } else { Look::Start });
                    after
                }
                '$' => {
                    self.look(if self.flags.multi_line { Look::EndLF } else { Look::End });
                    after
                }
                '.' => {
                    let dot = if self.flags.dot_newline { Dot::AnyChar } else { Dot::AnyCharExceptLF };
                    self.push(Node::leaf(Hir::dot(dot)))?;
                    after
                }
                '[' => self.class(rest)?,
                '*' | '+' | '?' => {
                    repeat = Some(rest);
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(min, max, rest, after, last_repeat)?
                }
                '{' => match parse_counts(after) {
                    None => {
                        self.literal(c)?;
                        after
                    }
                    Some((counts, after)) => {
                        repeat = Some(rest);
                        match counts {
                            Some((min, max)) if max.is_none_or(|max| min <= max) => {
                                self.counted(min, max, rest, after, last_repeat)?
                            }
                            _ => return fail(Code::InvalidRepeatSize, consumed(rest, after)),
                        }
                    }
                },
                '\\' => self.escape(rest, after)?,
                c => {
                    self.literal(c)?;
                    after
                }
            };
            last_repeat = repeat;
        }
        if !self.groups.is_empty() {
            return fail(Code::MissingParen, self.pattern);
        }
        self.take_alternation()
    }

    // Building.

    fn push(&mut self, node: Node) -> Result<(), Error> {
        if node.size > SIZE_MAX {
            return fail(Code::Large, self.pattern);
        }
        if node.height > HEIGHT_MAX {
            return fail(Code::NestingDepth, self.pattern);
        }
        self.open.sequence.push(node);
        Ok(())
    }

    fn look(&mut self, look: Look) {
        self.open.sequence.push(Node::leaf(Hir::look(look)));
    }

    fn push_class(&mut self, class: ClassUnicode) -> Result<(), Error> {
        self.range_count += class.ranges().len();
        if self.range_count > RANGES_MAX {
            return fail(Code::Large, self.pattern);
        }
        self.push(Node::leaf(Hir::class(Class::Unicode(class))))
    }

    fn literal(&mut self, c: char) -> Result<(), Error> {
        if self.flags.fold {
            return self.push_class(class::finish(class::from_ranges(&[(c, c)]), true, false));
        }
        let mut buffer = [0; 4];
        self.push(Node::leaf(Hir::literal(c.encode_utf8(&mut buffer).as_bytes())))
    }

    /// A literal given by number, which can be a surrogate: that matches nothing.
    fn code_point(&mut self, number: u32) -> Result<(), Error> {
        match char::from_u32(number) {
            Some(c) => self.literal(c),
            None => self.push_class(ClassUnicode::empty()),
        }
    }

    /// Joins several nodes; `separator_size` instructions stand between two.
    fn join(
        &self,
        mut nodes: Vec<Node>,
        separator_size: u64,
        is_same: fn(&HirKind) -> bool,
        build: fn(Vec<Hir>) -> Hir,
    ) -> Result<Node, Error> {
        if nodes.len() == 1
            && let Some(only) = nodes.pop()
        {
            return Ok(only);
        }
        let (mut height, mut size, mut repeats) = (1, 0, 0);
        for (at, node) in nodes.iter().enumerate() {
            // A sequence within a sequence dissolves and adds no level.
            height = height.max(node.height + u32::from(!is_same(node.hir.kind())));
            size += node.size + if at > 0 { separator_size } else { 0 };
            repeats = repeats.max(node.repeats);
        }
        let hir = build(nodes.into_iter().map(|node| node.hir).collect());
        if matches!(hir.kind(), HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_)) {
            height = 1;
        }
        if size > SIZE_MAX {
            return fail(Code::Large, self.pattern);
        }
        if height > HEIGHT_MAX {
            return fail(Code::NestingDepth, self.pattern);
        }
        Ok(Node { hir, height, size: size.max(1), repeats: repeats.max(1) })
    }

    fn take_sequence(&mut self) -> Result<Node, Error> {
        let nodes = std::mem::take(&mut self.open.sequence);
        self.join(nodes, 0, |kind| matches!(kind, HirKind::Concat(_)), Hir::concat)
    }

    fn take_alternation(&mut self) -> Result<Node, Error> {
        let last = self.take_sequence()?;
        let mut nodes = std::mem::take(&mut self.open.alternatives);
        nodes.push(last);
        self.join(nodes, 1, |kind| matches!(kind, HirKind::Alternation(_)), Hir::alternation)
    }

    // Groups.

    fn open_group(&mut self, capture: Option<u32>) {
        let inner = Group { flags_outside: self.flags, capture, ..Group::default() };
        self.groups.push(std::mem::replace(&mut self.open, inner));
    }

    fn open_capture(&mut self, name: Option<&str>) {
        let number = self.group_names.len() as u32;
        self.group_names.push(name.map(Into::into));
        self.open_group(Some(number));
    }

    fn close(&mut self) -> Result<(), Error> {
        let inner = self.take_alternation()?;
        let Some(outer) = self.groups.pop() else {
            return fail(Code::UnexpectedParen, self.pattern);
        };
        let group = std::mem::replace(&mut self.open, outer);
        self.flags = group.flags_outside;
        self.push(match group.capture {
            None => inner,
            Some(index) => Node {
                hir: Hir::capture(Capture { index, name: None, sub: Box::new(inner.hir) }),
                height: inner.height + 1,
                size: inner.size + 2,
                repeats: inner.repeats,
            },
        })
    }

    /// What starts with `(?`: a named group, a group with flags, or flags from here on.
    fn open_special(&mut self, text: &'p str) -> Result<&'p str, Error> {
        for prefix in ["(?P<", "(?<"] {
            let Some(named) = text.strip_prefix(prefix).filter(|named| !named.is_empty()) else { continue };
            let Some(end) = named.find('>') else {
                return fail(Code::InvalidNamedCapture, text);
            };
            let (name, after) = (&named[..end], &named[end + 1..]);
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return fail(Code::InvalidNamedCapture, consumed(text, after));
            }
            self.open_capture(Some(name));
            return Ok(after);
        }
        let mut flags = self.flags;
        let mut negated = false;
        let mut has_flag = false;
        let mut rest = &text[2..];
        while let Some((c, after)) = next_char(rest) {
            rest = after;
            match c {
                'i' => flags.fold = !negated,
                'm' => flags.multi_line = !negated,
                's' => flags.dot_newline = !negated,
                'U' => flags.lazy = !negated,
                '-' if !negated => {
                    negated = true;
                    has_flag = false;
                    continue;
                }
                ':' | ')' if !negated || has_flag => {
                    if c == ':' {
                        self.open_group(None);
                    }
                    self.flags = flags;
                    return Ok(after);
                }
                _ => break,
            }
            has_flag = true;
        }
        fail(Code::InvalidPerlOp, consumed(text, rest))
    }

    // Repetition.

    fn counted(
        &mut self,
        min: u32,
        max: Option<u32>,
        before: &'p str,
        after: &'p str,
        last_repeat: Option<&'p str>,
    ) -> Result<&'p str, Error> {
        let after = self.repeat(min, max, before, after, last_repeat)?;
        let factor = match max {
            None => min.max(1),
            Some(max) => max,
        };
        if let Some(node) = self.open.sequence.last_mut() {
            node.repeats *= u64::from(factor);
            if (min >= 2 || max.is_some_and(|max| max >= 2)) && node.repeats > u64::from(REPEAT_MAX) {
                return fail(Code::InvalidRepeatSize, consumed(before, after));
            }
        }
        Ok(after)
    }

    /// Repeats the last node. `before` starts at the operator, `after` follows it.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        before: &'p str,
        after: &'p str,
        last_repeat: Option<&'p str>,
    ) -> Result<&'p str, Error> {
        let mut greedy = !self.flags.lazy;
        let mut rest = after;
        if let Some(after) = rest.strip_prefix('?') {
            greedy = !greedy;
            rest = after;
        }
        if let Some(last) = last_repeat {
            return fail(Code::InvalidRepeatOp, consumed(last, rest));
        }
        let Some(node) = self.open.sequence.pop() else {
            return fail(Code::MissingRepeatArgument, consumed(before, rest));
        };
        let size = match (min, max) {
            (0, None) => node.size + 2,
            (1, None) | (0, Some(1)) => node.size + 1,
            (min, None) => node.size * u64::from(min) + 1,
            (min, Some(max)) => node.size * u64::from(max) + u64::from(max - min),
        };
        self.push(Node {
            hir: Hir::repetition(Repetition { min, max, greedy, sub: Box::new(node.hir) }),
            height: node.height + 1,
            size: size.max(1),
            repeats: node.repeats,
        })?;
        Ok(rest)
    }

    // Escapes.

    /// A backslash outside a class. `text` starts at it, `after` follows it.
    fn escape(&mut self, text: &'p str, after: &'p str) -> Result<&'p str, Error> {
        if let Some((c, after)) = next_char(after) {
            match c {
                'A' => self.look(Look::Start),
                'b' => self.look(Look::WordAscii),
                'B' => self.look(Look::WordAsciiNegate),
                'z' => self.look(Look::End),
                'C' => return fail(Code::InvalidEscape, r"\C"),
                'Q' => {
                    let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
                    for c in quoted.chars() {
                        self.literal(c)?;
                    }
                    return Ok(after);
                }
                'p' | 'P' => {
                    let (class, after) = self.unicode_class(text)?;
                    self.push_class(class)?;
                    return Ok(after);
                }
                c => match class::perl(c, self.flags.fold) {
                    Some(class) => self.push_class(class)?,
                    None => {
                        let (number, after) = char_escape(text)?;
                        self.code_point(number)?;
                        return Ok(after);
                    }
                },
            }
            return Ok(after);
        }
        fail(Code::TrailingBackslash, "")
    }

    /// `\pN`, `\p{Name}` and their negations. `text` starts at the backslash.
    fn unicode_class(&self, text: &'p str) -> Result<(ClassUnicode, &'p str), Error> {
        let negated = text.as_bytes()[1] == b'P';
        let (name, after) = match next_char(&text[2..]) {
            None => ("", ""),
            Some(('{', braced)) => match braced.split_once('}') {
                Some(split) => split,
                None => return fail(Code::InvalidCharRange, text),
            },
            Some((_, after)) => (consumed(&text[2..], after), after),
        };
        match class::unicode(name, self.flags.fold, negated) {
            Some(class) => Ok((class, after)),
            None => fail(Code::InvalidCharRange, consumed(text, after)),
        }
    }

    // Classes in brackets.

    /// `[...]`. `text` starts at the bracket.
    fn class(&mut self, text: &'p str) -> Result<&'p str, Error> {
        let mut rest = &text[1..];
        let negated = rest.starts_with('^');
        if negated {
            rest = &rest[1..];
        }
        let fold = self.flags.fold;
        let mut union = ClassUnicode::empty();
        let mut is_first = true;
        // A `]` in the first place is an ordinary character.
        while is_first || !rest.starts_with(']') {
            is_first = false;
            if let Some(after) = rest.strip_prefix("[:")
                && let Some((name, after)) = after.split_once(":]")
            {
                match class::posix(name, fold) {
                    Some(class) => union.union(&class),
                    None => return fail(Code::InvalidCharRange, consumed(rest, after)),
                }
                rest = after;
                continue;
            }
            if rest.starts_with(r"\p") || rest.starts_with(r"\P") {
                let (class, after) = self.unicode_class(rest)?;
                union.union(&class);
                rest = after;
                continue;
            }
            if let Some((c, after)) = rest.strip_prefix('\\').and_then(next_char)
                && let Some(class) = class::perl(c, fold)
            {
                union.union(&class);
                rest = after;
                continue;
            }
            let start = rest;
            let (lo, mut after) = class_char(rest, text)?;
            let mut hi = lo;
            // `[a-]` has the hyphen as its last character.
            if let Some(range_end) = after.strip_prefix('-')
                && !range_end.is_empty()
                && !range_end.starts_with(']')
            {
                (hi, after) = class_char(range_end, text)?;
                if hi < lo {
                    return fail(Code::InvalidCharRange, consumed(start, after));
                }
            }
            union.union(&class::finish(class::from_code_points(lo, hi), fold, false));
            rest = after;
        }
        self.push_class(class::finish(union, false, negated))?;
        Ok(&rest[1..])
    }
}

/// One character of a class, perhaps escaped. `class` is the text from its bracket on.
fn class_char<'p>(text: &'p str, class: &str) -> Result<(u32, &'p str), Error> {
    match next_char(text) {
        None => fail(Code::MissingBracket, class),
        Some(('\\', _)) => char_escape(text),
        Some((c, after)) => Ok((c as u32, after)),
    }
}

/// An escape that stands for one code point. `text` starts at the backslash.
fn char_escape(text: &str) -> Result<(u32, &str), Error> {
    let Some((c, mut rest)) = next_char(&text[1..]) else {
        return fail(Code::TrailingBackslash, "");
    };
    let is_octal = |rest: &str| rest.starts_with(|c: char| matches!(c, '0'..='7'));
    let number = match c {
        // One digit other than zero would be a backreference.
        '0'..='7' if c == '0' || is_octal(rest) => {
            let mut number = c as u32 - '0' as u32;
            for _ in 0..2 {
                if !is_octal(rest) {
                    break;
                }
                number = number * 8 + u32::from(rest.as_bytes()[0] - b'0');
                rest = &rest[1..];
            }
            Some(number)
        }
        'x' => hex_escape(&mut rest),
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c as u32),
        _ => None,
    };
    match number {
        Some(number) => Ok((number, rest)),
        None => fail(Code::InvalidEscape, consumed(text, rest)),
    }
}

/// What follows `\x`: two hexadecimal digits, or any number in braces. Moves `rest` past what was
/// looked at, so that an error can cite it.
fn hex_escape(rest: &mut &str) -> Option<u32> {
    let mut take = || {
        let (c, after) = next_char(rest)?;
        *rest = after;
        Some(c)
    };
    let first = take()?;
    if first != '{' {
        let second = take();
        return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
    }
    let mut number = None;
    loop {
        match take()? {
            '}' => return number,
            c => {
                let next = number.unwrap_or(0) * 16 + c.to_digit(16)?;
                number = Some(next).filter(|&n| n <= char::MAX as u32);
                number?;
            }
        }
    }
}

/// What follows `{`, if it reads as counts up to `}`; otherwise the brace is an ordinary character.
/// The counts are `None` if one is over the limit.
fn parse_counts(text: &str) -> Option<(Option<(u32, Option<u32>)>, &str)> {
    let (min, rest) = parse_count(text)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (min.map(Some), rest),
        Some(rest) if rest.starts_with('}') => (Some(None), rest),
        Some(rest) => {
            let (max, rest) = parse_count(rest)?;
            (max.map(Some), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some((min.zip(max), rest))
}

/// A decimal number without leading zeros; `None` inside if it is over the limit.
fn parse_count(text: &str) -> Option<(Option<u32>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if digits == 0 || (digits > 1 && number.starts_with('0')) {
        return None;
    }
    Some((number.parse().ok().filter(|&n| n <= REPEAT_MAX), rest))
}
