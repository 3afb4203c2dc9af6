//! The named character classes: Perl's `\d`, POSIX's `[:alpha:]`, Unicode's `\p{Greek}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The class of `\d`, `\D`, `\s`, `\S`, `\w` or `\W`, given the letter. All are ASCII.
pub(super) fn perl(letter: char, fold: bool) -> Option<ClassUnicode> {
    let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    Some(finish(from_ranges(ranges), fold, letter.is_ascii_uppercase()))
}

/// The class between `[:` and `:]`, such as `alpha` or `^alpha`.
pub(super) fn posix(name: &str, fold: bool) -> Option<ClassUnicode> {
    let (negated, name) = match name.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(finish(from_ranges(ranges), fold, negated))
}

/// The class that `\p{name}` names: a general category or a script by its full name, compared
/// without case, spaces, hyphens and underscores; `^` in front negates.
pub(super) fn unicode(name: &str, fold: bool, negated: bool) -> Option<ClassUnicode> {
    let (negated, name) = match name.strip_prefix('^') {
        Some(rest) => (!negated, rest),
        None => (negated, name),
    };
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' | '-' | ' ' => {}
            c if c.is_ascii_alphanumeric() => plain.push(c.to_ascii_lowercase()),
            _ => return None,
        }
    }
    // The tables below forgive a leading "is"; Go does not.
    if plain.is_empty() || plain.starts_with("is") {
        return None;
    }
    let class = match plain.as_str() {
        "any" => from_ranges(&[('\0', char::MAX)]),
        "ascii" => from_ranges(&[('\0', '\x7f')]),
        // No surrogate is ever in a string.
        "cs" | "surrogate" => ClassUnicode::empty(),
        "unknown" => return None,
        _ => table("gc", &plain).or_else(|| is_script_name(&plain).then(|| table("sc", &plain))?)?,
    };
    Some(finish(class, fold, negated))
}

/// Whether a name can be the full name of a script. Go knows no four-letter codes such as `Grek`;
/// the scripts below merely have short names.
fn is_script_name(plain: &str) -> bool {
    plain.len() != 4
        || matches!(plain, "ahom" | "cham" | "kawi" | "lisu" | "miao" | "modi" | "newa" | "thai" | "toto")
}

fn table(property: &str, value: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{property}={value}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(from_ranges(&[(c, c)]))
        }
        _ => None,
    }
}

/// A class of these ranges.
pub(super) fn from_ranges(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(lo, hi)| ClassUnicodeRange::new(lo, hi)))
}

/// A class of the code points from `lo` to `hi`, leaving out surrogates, which no string holds.
pub(super) fn from_code_points(lo: u32, hi: u32) -> ClassUnicode {
    let mut class = ClassUnicode::empty();
    for (lo, hi) in [(lo, hi.min(0xD7FF)), (lo.max(0xE000), hi)] {
        if let (Some(lo), Some(hi)) = (char::from_u32(lo), char::from_u32(hi))
            && lo <= hi
        {
            class.push(ClassUnicodeRange::new(lo, hi));
        }
    }
    class
}

/// Adds what is equal without case, then negates: in this order, as Go does.
pub(super) fn finish(mut class: ClassUnicode, fold: bool, negated: bool) -> ClassUnicode {
    if fold {
        // Fails only without the case tables, which this crate switches on.
        let _ = class.try_case_fold_simple();
    }
    if negated {
        class.negate();
    }
    class
}
