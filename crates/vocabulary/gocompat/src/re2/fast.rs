//! Matching without an automaton. Most patterns in matchers are a list of names or a prefix; those
//! are answered by comparing bytes, without compiling and without allocating.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// A list of alternatives may always be as long as the pattern; beyond that, what products of small
/// classes may expand to.
const SET_MAX: usize = 256;
/// The bytes such a list may take beyond those of the pattern.
const SET_BYTES_MAX: usize = 16 << 10;
/// Alternatives with wildcards that are tried one by one.
const GLOBS_MAX: usize = 32;

/// A pattern that is anchored at both ends, and simple.
pub(super) enum Matcher {
    /// Exactly these strings, sorted.
    Set(Box<[Box<str>]>),
    /// Strings that fit one of these.
    Globs(Box<[Glob]>),
}

impl Matcher {
    /// Finds the simple form of a pattern, if it has one.
    pub(super) fn new(hir: &Hir, pattern_len: usize) -> Option<Self> {
        let inner = anchored_inner(hir)?;
        let limits = Limits { count: SET_MAX.max(pattern_len), bytes: SET_BYTES_MAX + pattern_len };
        if let Some(mut set) = expand_all(inner, limits) {
            set.sort_unstable();
            set.dedup();
            return Some(Matcher::Set(set.into_iter().map(String::into_boxed_str).collect()));
        }
        let globs: Option<Vec<Glob>> =
            alternatives(inner)?.iter().map(|sequence| Glob::new(sequence)).collect();
        globs.map(|globs| Matcher::Globs(globs.into()))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Matcher::Set(set) if set.len() <= 8 => set.iter().any(|one| **one == *text),
            Matcher::Set(set) => set.binary_search_by(|one| (**one).cmp(text)).is_ok(),
            Matcher::Globs(globs) => globs.iter().any(|glob| glob.is_match(text)),
        }
    }
}

/// Sequences that match together what one with alternations in it matches, if they are few.
fn alternatives(sequence: &[Hir]) -> Option<Vec<Vec<&Hir>>> {
    let mut all: Vec<Vec<&Hir>> = vec![Vec::new()];
    for part in sequence {
        let ends: Vec<&Hir> = match uncaptured(part).kind() {
            HirKind::Alternation(subs) => subs.iter().collect(),
            _ => vec![part],
        };
        if all.len().saturating_mul(ends.len()) > GLOBS_MAX {
            return None;
        }
        let mut longer = Vec::with_capacity(all.len() * ends.len());
        for start in &all {
            longer.extend(ends.iter().map(|end| start.iter().copied().chain([*end]).collect::<Vec<_>>()));
        }
        all = longer;
    }
    Some(all)
}

/// The literal that every match starts with, if the pattern is anchored at its start.
pub(super) fn literal_prefix(hir: &Hir) -> Option<Box<str>> {
    let HirKind::Concat(subs) = hir.kind() else { return None };
    let mut at = after_start(subs)?.first()?;
    loop {
        match at.kind() {
            HirKind::Capture(capture) => at = &capture.sub,
            HirKind::Concat(subs) => at = subs.first()?,
            HirKind::Literal(literal) => return std::str::from_utf8(&literal.0).ok().map(Into::into),
            _ => return None,
        }
    }
}

/// What stands between the start of the text and its end.
fn anchored_inner(hir: &Hir) -> Option<&[Hir]> {
    let HirKind::Concat(subs) = hir.kind() else { return None };
    let inner = after_start(subs)?;
    let end = inner.iter().rposition(|sub| !is_look(sub, Look::End)).map_or(0, |last| last + 1);
    (end < inner.len()).then(|| &inner[..end])
}

/// What stands behind the start of the text; saying `^` twice is saying it once.
fn after_start(subs: &[Hir]) -> Option<&[Hir]> {
    let start = subs.iter().position(|sub| !is_look(sub, Look::Start)).unwrap_or(subs.len());
    (start > 0).then(|| &subs[start..])
}

fn is_look(hir: &Hir, look: Look) -> bool {
    matches!(hir.kind(), HirKind::Look(found) if *found == look)
}

fn uncaptured(mut hir: &Hir) -> &Hir {
    while let HirKind::Capture(capture) = hir.kind() {
        hir = &capture.sub;
    }
    hir
}

#[derive(Clone, Copy)]
struct Limits {
    count: usize,
    bytes: usize,
}

/// All strings that a sequence matches, if they are few.
fn expand_all(sequence: &[Hir], limits: Limits) -> Option<Vec<String>> {
    let bytes = |strings: &[String]| strings.iter().map(String::len).sum::<usize>();
    let mut product = vec![String::new()];
    for part in sequence {
        let ends = expand(part, limits)?;
        let count = product.len().checked_mul(ends.len())?;
        let size = bytes(&product).saturating_mul(ends.len()) + bytes(&ends).saturating_mul(product.len());
        if count > limits.count || size > limits.bytes {
            return None;
        }
        match ends.as_slice() {
            [only] => product.iter_mut().for_each(|start| start.push_str(only)),
            _ => {
                product = product
                    .iter()
                    .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
                    .collect();
            }
        }
    }
    Some(product)
}

fn expand(hir: &Hir, limits: Limits) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(literal) => Some(vec![std::str::from_utf8(&literal.0).ok()?.to_string()]),
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(|range| range.len()).sum();
            if count > SET_MAX {
                return None;
            }
            Some(class.iter().flat_map(|range| range.start()..=range.end()).map(String::from).collect())
        }
        HirKind::Capture(capture) => expand(&capture.sub, limits),
        HirKind::Concat(subs) => expand_all(subs, limits),
        HirKind::Alternation(subs) => {
            let mut all = Vec::with_capacity(subs.len());
            for sub in subs {
                all.append(&mut expand(sub, limits)?);
                if all.len() > limits.count {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Repetition(repetition) if (repetition.min, repetition.max) == (0, Some(1)) => {
            let mut all = expand(&repetition.sub, limits)?;
            all.push(String::new());
            Some(all)
        }
        _ => None,
    }
}

/// Literals with wildcards between: `api_.*`, `.+error.*`, `a.*b`, and before the first and behind the last `.*`
/// such for one character, as in `10.0.0.1:.*`.
pub(super) struct Glob {
    prefix: Spaced,
    /// Each literal that must follow, and whether at least one character stands before it.
    middles: Box<[(usize, Finder<'static>)]>,
    /// The least bytes between the last literal and the suffix; `None` if there is no wildcard.
    gap_min: Option<usize>,
    suffix: Spaced,
    /// Whether the wildcards take line breaks. If not, no literal has one, so none may be anywhere.
    takes_newline: bool,
}

/// Literals with any one character between each two of them.
struct Spaced(Box<[Box<str>]>);

impl Spaced {
    fn new(literals: Vec<String>) -> Self {
        Spaced(literals.into_iter().map(String::into_boxed_str).collect())
    }

    /// What is left of a text behind these.
    fn strip_from<'t>(&self, text: &'t str) -> Option<&'t str> {
        let [first, rest @ ..] = &*self.0 else { return Some(text) };
        rest.iter().try_fold(text.strip_prefix(&**first)?, |text, literal| {
            let mut characters = text.chars();
            characters.next()?;
            characters.as_str().strip_prefix(&**literal)
        })
    }

    /// What is left of a text before these.
    fn strip_from_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        let [rest @ .., last] = &*self.0 else { return Some(text) };
        rest.iter().rev().try_fold(text.strip_suffix(&**last)?, |text, literal| {
            let mut characters = text.chars();
            characters.next_back()?;
            characters.as_str().strip_suffix(&**literal)
        })
    }
}

enum Piece<'h> {
    Literal(&'h str),
    /// `.`
    One {
        takes_newline: bool,
    },
    /// `.*` or `.+`.
    Gap {
        min: usize,
        takes_newline: bool,
    },
}

impl Glob {
    fn new(sequence: &[&Hir]) -> Option<Self> {
        let mut pieces = Vec::new();
        for part in sequence {
            collect_pieces(part, &mut pieces)?;
        }
        // What stands between the gaps.
        let mut literals = vec![vec![String::new()]];
        let mut gaps: Vec<usize> = Vec::new();
        let mut newline: Option<bool> = None;
        let mut after_gap = false;
        for piece in pieces {
            if let Piece::One { takes_newline } | Piece::Gap { takes_newline, .. } = piece
                && *newline.get_or_insert(takes_newline) != takes_newline
            {
                return None;
            }
            match piece {
                Piece::Literal(text) => {
                    literals.last_mut()?.last_mut()?.push_str(text);
                    after_gap = false;
                }
                Piece::One { .. } => {
                    literals.last_mut()?.push(String::new());
                    after_gap = false;
                }
                Piece::Gap { min, .. } => {
                    match gaps.last_mut().filter(|_| after_gap) {
                        Some(last) => *last += min,
                        None => {
                            gaps.push(min);
                            literals.push(vec![String::new()]);
                        }
                    }
                    after_gap = true;
                }
            }
        }
        // More than one character is not the same as more than one byte.
        if gaps.iter().any(|&min| min > 1) {
            return None;
        }
        let takes_newline = newline.unwrap_or(true);
        if !takes_newline && literals.iter().flatten().any(|literal| literal.contains('\n')) {
            return None;
        }
        let gap_min = gaps.pop();
        let suffix = if gap_min.is_some() { literals.pop()? } else { vec![String::new()] };
        let mut literals = literals.into_iter();
        let prefix = Spaced::new(literals.next()?);
        let middle = |(min, literal): (usize, Vec<String>)| match literal.as_slice() {
            [only] => Some((min, Finder::new(only.as_bytes()).into_owned())),
            _ => None,
        };
        let middles = gaps.into_iter().zip(literals).map(middle).collect::<Option<_>>()?;
        Some(Glob { prefix, middles, gap_min, suffix: Spaced::new(suffix), takes_newline })
    }

    fn is_match(&self, text: &str) -> bool {
        let has_forbidden = || !self.takes_newline && memchr::memchr(b'\n', text.as_bytes()).is_some();
        let Some(rest) = self.prefix.strip_from(text) else { return false };
        let Some(gap_min) = self.gap_min else { return rest.is_empty() && !has_forbidden() };
        let Some(mut body) = self.suffix.strip_from_end(rest).map(str::as_bytes) else { return false };
        // The leftmost place for each literal leaves the most room for the next. A literal of whole
        // characters is never found inside one, so counting bytes is enough.
        for (min, middle) in &self.middles {
            let Some(from) = body.get(*min..) else { return false };
            let Some(at) = middle.find(from) else { return false };
            body = &from[at + middle.needle().len()..];
        }
        body.len() >= gap_min && !has_forbidden()
    }
}

/// Whether a class of characters is `.`, and whether with line breaks.
fn any_character(hir: &Hir) -> Option<bool> {
    let HirKind::Class(Class::Unicode(class)) = hir.kind() else { return None };
    match class.ranges() {
        [all] if (all.start(), all.end()) == ('\0', char::MAX) => Some(true),
        [before, after]
            if (before.start(), before.end()) == ('\0', '\x09')
                && (after.start(), after.end()) == ('\x0b', char::MAX) =>
        {
            Some(false)
        }
        _ => None,
    }
}

fn collect_pieces<'h>(hir: &'h Hir, pieces: &mut Vec<Piece<'h>>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => pieces.push(Piece::Literal(std::str::from_utf8(&literal.0).ok()?)),
        HirKind::Capture(capture) => collect_pieces(&capture.sub, pieces)?,
        HirKind::Concat(subs) => {
            for sub in subs {
                collect_pieces(sub, pieces)?;
            }
        }
        HirKind::Repetition(repetition) if repetition.max.is_none() && repetition.min <= 1 => {
            let takes_newline = any_character(uncaptured(&repetition.sub))?;
            pieces.push(Piece::Gap { min: repetition.min as usize, takes_newline });
        }
        _ => pieces.push(Piece::One { takes_newline: any_character(hir)? }),
    }
    Some(())
}
