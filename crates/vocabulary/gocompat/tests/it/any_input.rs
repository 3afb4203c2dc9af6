//! Inputs that nobody would write: none may panic, and what can be checked another way must agree.

use gocompat::template::{Functions, Limits, Template, Value};
use gocompat::{duration, float, layout, quote, re2};

/// A small generator, so that a failure comes back the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn text(&mut self, pieces: &[&str], len: usize) -> String {
        (0..self.below(len + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

#[test]
fn no_pattern_panics() {
    let mut random = Random(1);
    let pieces = [
        "a", "b", "\\", "(", ")", "[", "]", "{", "}", "?", "*", "+", "|", "^", "$", ".", "-", ",", "1", "0",
        ":", "é", "(?", "(?P<", "<", ">", "\\p{", "\\P", "\\x{", "\\x", "[:", ":]", "\\Q", "\\E", "\\d",
        "\\W", "(?i)", "(?i:", "L", "Greek", "alpha", "{2,3}", "\\b", " ", "\u{212a}",
    ];
    for _ in 0..20_000 {
        let pattern = random.text(&pieces, 10);
        let text = random.text(&["a", "b", "é", "\n", "1"], 5);
        if let Ok(regex) = re2::Regex::anchored(&pattern) {
            let is_match = regex.is_match(&text);
            assert_eq!(regex.captures(&text).is_some(), is_match, "{pattern:?} {text:?}");
            if let Some(set) = regex.set_matches() {
                assert_eq!(set.iter().any(|one| **one == *text), is_match, "{pattern:?} {text:?}");
            }
            assert!(!is_match || regex.prefix().is_none_or(|prefix| text.starts_with(prefix)), "{pattern:?}");
        }
        if let Ok(regex) = re2::Regex::new(&pattern) {
            regex.replace_all(&text, "<$0>");
        }
    }
}

#[test]
fn plain_patterns_match_like_in_the_other_parser() {
    let mut random = Random(2);
    let pieces = [
        "a", "b", "c", "(", ")", "(?:", "|", "*", "+", "?", ".", "[ab]", "[^a]", "{2}", "{1,}", "^", "$",
        "(?i)", "é",
    ];
    let mut count = 0;
    for _ in 0..20_000 {
        let pattern = random.text(&pieces, 8);
        let (Ok(ours), Ok(theirs)) =
            (re2::Regex::anchored(&pattern), regex_automata::meta::Regex::new(&format!("^(?s:{pattern})$")))
        else {
            continue;
        };
        count += 1;
        for _ in 0..5 {
            let text = random.text(&["a", "b", "c", "A", "é", "\n"], 5);
            assert_eq!(ours.is_match(&text), theirs.is_match(&text), "{pattern:?} {text:?}");
        }
    }
    assert!(count > 2_000, "{count}");
}

#[test]
fn no_template_panics() {
    let mut random = Random(3);
    let pieces = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "\n",
        ".",
        ".A",
        ".L",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        "\"s\"",
        "`r`",
        "'c'",
        "1",
        "-1",
        "1.5",
        "0x",
        "nil",
        "true",
        "if",
        "range",
        "with",
        "end",
        "else",
        "define",
        "block",
        "template",
        "break",
        "continue",
        "len",
        "index",
        "printf",
        "and",
        "eq",
        "slice",
        "print",
        "/*",
        "*/",
        "é",
        "x",
        "\"%*d%s%v\"",
    ];
    let limits = Limits { steps: 1_000, output_bytes: 10_000, depth: 50 };
    let data = Value::map([("A", Value::from("é")), ("L", Value::list([Value::Int(1), Value::Nil]))]);
    let mut count = 0;
    for _ in 0..60_000 {
        let mut text = random.text(&pieces, 12);
        if random.below(2) == 0 {
            text = format!("{{{{ {} }}}}", text.replace("{{", " ").replace("}}", " "));
        }
        let mut template = Template::new("t", Functions::new()).limits(limits);
        if template.parse(&text).is_ok() {
            count += 1;
            let _ = template.execute(data.clone());
        }
    }
    assert!(count > 1_000, "{count}");
}

#[test]
fn no_number_time_or_string_panics() {
    let mut random = Random(4);
    let pieces = [
        "1", "0", "9", ".", "-", "+", "e", "x", "p", "h", "m", "s", "µs", "_", "Inf", "é", ":", " ", "T",
        "Z", "2006", "01", "02", "Jan", "MST", "15", "04", "05", ".000", ",999", "GMT", "PM", "-07:00", "\"",
        "\\", "\\u00", "'",
    ];
    for _ in 0..50_000 {
        let (text, other) = (random.text(&pieces, 8), random.text(&pieces, 8));
        let _ = float::parse(&text);
        let _ = quote::unquote(&text);
        assert_eq!(quote::unquote(&quote::quote(&text)).as_deref(), Some(text.as_str()));
        if let Ok(ns) = duration::parse_ns(&text) {
            assert_eq!(duration::parse_ns(&duration::format_ns(ns)), Ok(ns), "{text:?}");
        }
        if let Ok(time) = layout::parse(&other, &text) {
            layout::format(&time, &text);
        }
        let _ = layout::zone(&text);
    }
}

#[test]
fn every_number_reads_back() {
    let mut random = Random(5);
    let mut buffer = float::Buffer::new();
    for _ in 0..200_000 {
        let high = random.below(1 << 31) as u64;
        let value = f64::from_bits(high << 33 | random.below(1 << 31) as u64);
        if !value.is_finite() {
            continue;
        }
        for format in [float::Format::Fixed, float::Format::Exponent, float::Format::General] {
            let text = buffer.shortest(value, format);
            assert_eq!(float::parse(text).map(f64::to_bits), Ok(value.to_bits()), "{text}");
        }
    }
}
