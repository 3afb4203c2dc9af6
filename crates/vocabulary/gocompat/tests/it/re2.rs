use gocompat::re2::{Regex, quote};

fn error(pattern: &str) -> String {
    match Regex::new(pattern) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn refusals_read_like_go() {
    let deep = "(".repeat(251) + &")".repeat(251);
    for (pattern, reason, cited) in [
        ("[a", "missing closing ]", "[a"),
        ("[]a", "missing closing ]", "[]a"),
        ("x[", "missing closing ]", "["),
        ("[a-", "missing closing ]", "[a-"),
        ("(a", "missing closing )", "(a"),
        ("x(a|b", "missing closing )", "x(a|b"),
        ("a)", "unexpected )", "a)"),
        ("*", "missing argument to repetition operator", "*"),
        ("(*)", "missing argument to repetition operator", "*"),
        ("a|*", "missing argument to repetition operator", "*"),
        ("(|*)", "missing argument to repetition operator", "*"),
        ("(?i)*", "missing argument to repetition operator", "*"),
        (r"\Q\E*", "missing argument to repetition operator", "*"),
        ("{1}", "missing argument to repetition operator", "{1}"),
        ("+?", "missing argument to repetition operator", "+?"),
        ("a**", "invalid nested repetition operator", "**"),
        ("a*+", "invalid nested repetition operator", "*+"),
        ("a??*", "invalid nested repetition operator", "??*"),
        ("x{2}{3}", "invalid nested repetition operator", "{2}{3}"),
        ("a{1001}", "invalid repeat count", "{1001}"),
        ("a{1,1001}", "invalid repeat count", "{1,1001}"),
        ("a{99999999999}", "invalid repeat count", "{99999999999}"),
        ("a{2,1}", "invalid repeat count", "{2,1}"),
        ("(a{1000}){2}", "invalid repeat count", "{2}"),
        ("((a{10}){10}b|c){11}", "invalid repeat count", "{11}"),
        ("[z-a]", "invalid character class range", "z-a"),
        ("(?i)[a-Z]", "invalid character class range", "a-Z"),
        ("[[:foo:]]", "invalid character class range", "[:foo:]"),
        (r"\p{Foo}", "invalid character class range", r"\p{Foo}"),
        (r"\p{Lowercase}", "invalid character class range", r"\p{Lowercase}"),
        (r"\p{IsGreek}", "invalid character class range", r"\p{IsGreek}"),
        (r"\p{Grek}", "invalid character class range", r"\p{Grek}"),
        (r"\pX", "invalid character class range", r"\pX"),
        (r"\p{Greek", "invalid character class range", r"\p{Greek"),
        (r"\p", "invalid character class range", r"\p"),
        (r"\8", "invalid escape sequence", r"\8"),
        (r"\1", "invalid escape sequence", r"\1"),
        (r"\C", "invalid escape sequence", r"\C"),
        (r"\Z", "invalid escape sequence", r"\Z"),
        (r"\u0041", "invalid escape sequence", r"\u"),
        (r"\x", "invalid escape sequence", r"\x"),
        (r"\xg1", "invalid escape sequence", r"\xg1"),
        (r"\x{}", "invalid escape sequence", r"\x{}"),
        (r"\x{110000}", "invalid escape sequence", r"\x{110000"),
        (r"[\b]", "invalid escape sequence", r"\b"),
        ("a\\", "trailing backslash at end of expression", ""),
        ("(?x)", "invalid or unsupported Perl syntax", "(?x"),
        ("(?u)a", "invalid or unsupported Perl syntax", "(?u"),
        ("(?R)", "invalid or unsupported Perl syntax", "(?R"),
        ("(?=a)", "invalid or unsupported Perl syntax", "(?="),
        ("(?<!a)", "invalid named capture", "(?<!a)"),
        ("(?i-)", "invalid or unsupported Perl syntax", "(?i-)"),
        ("(?P=n)", "invalid or unsupported Perl syntax", "(?P"),
        ("(?", "invalid or unsupported Perl syntax", "(?"),
        ("(?P<n", "invalid named capture", "(?P<n"),
        ("(?P<>a)", "invalid named capture", "(?P<>"),
        ("(?P<x y>a)", "invalid named capture", "(?P<x y>"),
        ("(?<é>a)", "invalid named capture", "(?<é>"),
        ("(?:[a-z]{4}){0,251}", "invalid repeat count", "{0,251}"),
        ("((((((((((x{2}){2}){2}){2}){2}){2}){2}){2}){2}){2})", "invalid repeat count", "{2}"),
        (deep.as_str(), "expression nests too deeply", deep.as_str()),
        ("((a{100}){10}){1000}", "invalid repeat count", "{1000}"),
    ] {
        assert_eq!(error(pattern), format!("error parsing regexp: {reason}: `{cited}`"), "{pattern}");
    }
}

#[test]
fn what_go_accepts_matches_as_in_go() {
    for (pattern, matches, misses) in [
        (r"^\d+$", vec!["123"], vec!["١٢٣", ""]),
        (r"^\w+$", vec!["a_1"], vec!["é"]),
        (r"^\s$", vec![" ", "\t", "\x0c"], vec!["\u{a0}", "\x0b"]),
        (r"^[[:space:]]$", vec!["\x0b"], vec!["\u{a0}"]),
        (r"\bé", vec!["aé"], vec!["é", " é"]),
        (r"\Bx\B", vec!["axb"], vec!["x", "ax"]),
        (r"^\Qa.b*\E+$", vec!["a.b*", "a.b**"], vec!["axb"]),
        (r"^\Qab", vec!["ab"], vec!["b"]),
        ("^a{$", vec!["a{"], vec!["a"]),
        ("^{foo}$", vec!["{foo}"], vec!["foo"]),
        ("^a{,2}$", vec!["a{,2}"], vec!["aa"]),
        ("^a{01}$", vec!["a{01}"], vec!["a"]),
        ("^a{2$", vec!["a{2"], vec!["aa"]),
        ("^a{2,}?$", vec!["aa", "aaa"], vec!["a"]),
        ("^(?:a{1000}){1}$", vec![], vec!["a"]),
        ("^(?:a{1000}){0,1}$", vec![""], vec!["a"]),
        ("^[a[b]$", vec!["a", "[", "b"], vec!["]"]),
        ("^[[a]]$", vec!["[]", "a]"], vec!["a"]),
        ("^[a&&b]$", vec!["a", "&", "b"], vec!["c"]),
        ("^[a~~b]$", vec!["~"], vec!["c"]),
        ("^[+--]$", vec!["+", ",", "-"], vec!["a"]),
        (r"^[\d-z]$", vec!["5", "-", "z"], vec!["a"]),
        ("^[]a]$", vec!["]", "a"], vec!["[a]"]),
        ("^[^]a]$", vec!["b", "\n"], vec!["]", "a"]),
        ("^[a-]$", vec!["a", "-"], vec!["b"]),
        ("^[-a]$", vec!["a", "-"], vec!["b"]),
        ("^[[:alpha:][:^print:]]$", vec!["a", "\n"], vec!["1"]),
        ("^[[:alpha]$", vec!["[", ":", "a"], vec!["b"]),
        (r"^\123\0\07$", vec!["S\0\x07"], vec!["123"]),
        (r"^\<\-\_\/$", vec!["<-_/"], vec![""]),
        (r"^\x41\x{1F600}$", vec!["A😀"], vec!["A"]),
        (r"^\x{D800}?$", vec![""], vec!["\u{fffd}"]),
        (r"^[\x{D7FF}-\x{E000}]$", vec!["\u{d7ff}", "\u{e000}"], vec!["a"]),
        (r"^\p{^L}\PL\p{L}\pL$", vec!["1 éa"], vec!["aaaa"]),
        (r"^\p{Greek}\p{greek}\p{uppercase letter}\p{Lu}$", vec!["αβAÉ"], vec!["aaAA"]),
        (r"^\p{Any}\p{ASCII}\p{Letter}\p{punct}$", vec!["\u{e000}aa!"], vec![]),
        (r"^[\p{Nd}\P{L}]$", vec!["1", "!"], vec!["a"]),
        (r"^(?i)straße$", vec!["STRAßE", "STRAẞE"], vec!["STRASSE"]),
        (r"^(?i)k[k]\x{4b}$", vec!["kK\u{212a}"], vec!["kkl"]),
        (r"^(?i)\W$", vec!["é"], vec!["\u{17f}", "\u{212a}", "s"]),
        (r"^(?i)[^[:lower:]]$", vec!["1"], vec!["\u{17f}", "A", "a"]),
        (r"^(?i)[[:^lower:]]$", vec!["1"], vec!["\u{17f}", "A", "a"]),
        (
            r"^\p{__upper case-let ter}\p{Canadian_Aboriginal}\p{Braille}\pZ$",
            vec!["Aᐁ⠁\u{2028}"],
            vec!["aᐁ⠁ "],
        ),
        (r"^(?i)\p{ascii}$", vec!["\u{212a}", "a"], vec!["é"]),
        (r"^(?i)\p{Lu}$", vec!["a", "é"], vec!["1"]),
        (r"^\p{^Any}$", vec![], vec!["a", ""]),
        (r"^\p{Assigned}\p{^Assigned}$", vec!["a\u{378}"], vec!["aa"]),
        (r"^[\012-\234]\141$", vec!["\na", "\u{9c}a"], vec!["\u{9d}a"]),
        (r"^[a-b-c]$", vec!["a", "b", "-", "c"], vec!["d"]),
        (r"^\Q\\\E$", vec![r"\\"], vec![r"\"]),
        (r"^x{1001$", vec!["x{1001"], vec![]),
        (r"^(?:[a-z]{4}){0,250}$", vec!["", "abcd"], vec!["abc"]),
        (r"^((((((((((x{1}){2}){2}){2}){2}){2}){2}){2}){2}){2})$", vec![], vec!["x"]),
        (r"^(?i)\w$", vec!["\u{17f}"], vec!["é"]),
        (r"^(?i)[^k]$", vec!["a"], vec!["K", "\u{212a}"]),
        (r"^(?i:a)b$", vec!["Ab"], vec!["AB"]),
        (r"^a(?i)b|c$", vec!["aB", "C"], vec!["AB"]),
        (r"^(a(?i)b)c$", vec!["aBc"], vec!["aBC"]),
        (r"^(?is-m)a.$", vec!["A\n"], vec!["a\nb"]),
        (r"^(?-i:a)(?)$", vec!["a"], vec!["A"]),
        (r"^a.c$", vec!["abc", "aéc"], vec!["a\nc"]),
        (r"a$", vec!["ba"], vec!["a\n"]),
        (r"(?m)^a$", vec!["b\na\nc"], vec!["ba"]),
        (r"\Aa\z", vec!["a"], vec!["a\n"]),
        (r"^a*(?i)*$", vec!["aaa"], vec!["b"]),
        (r"^(?:)*^*$*$", vec![""], vec!["a"]),
        (r"(|a)*b", vec!["aab"], vec!["a"]),
        (r"^(?:||)$", vec![""], vec!["|"]),
        (r"(?P<a>x)(?P<a>y)(?<b_1>z)", vec!["xyz"], vec![]),
    ] {
        let regex = Regex::new(pattern).unwrap();
        for text in matches {
            assert!(regex.is_match(text), "{pattern} should match {text:?}");
            assert!(regex.captures(text).is_some(), "{pattern} should capture in {text:?}");
        }
        for text in misses {
            assert!(!regex.is_match(text), "{pattern} should not match {text:?}");
            assert!(regex.captures(text).is_none(), "{pattern} should not capture in {text:?}");
        }
    }
}

#[test]
fn an_anchored_pattern_matches_whole_texts_and_line_breaks() {
    let texts = [
        "",
        "foo",
        "bar",
        "foobar",
        "barfoo",
        "foo\nbar",
        "xfoox",
        "fo",
        "FOO",
        "fooo",
        "foobarfoo",
        "\n",
        "é",
        "fooébar",
        "foobazbar",
        "foo.bar",
        "x\nfoo\ny",
        "barbar",
        "ofoo",
    ];
    for pattern in [
        "",
        "foo",
        "foo|bar",
        "(foo|bar)",
        "^foo$",
        "^(?:foo|bar)$",
        "foo|",
        "fo{2}",
        "fo?o",
        "[fb]oo",
        "(?i)foo",
        ".*",
        ".+",
        "(.*)",
        "foo.*",
        "foo.+",
        ".*foo",
        ".+foo",
        ".*foo.*",
        ".+foo.+",
        ".*foo.+",
        "foo.*bar",
        "foo.+bar",
        "foo(.*)bar",
        "foo.*foo",
        ".*foo.*bar.*",
        "foo.*|bar.*",
        ".*foo|bar.+|",
        "(foo|bar).*",
        ".*(foo|bar)",
        ".*(foo|bar).*(o|r|)",
        "f.o.*",
        ".",
        ".oo",
        "f..",
        ".*.o",
        "f.o.*b.r",
        ".+f.o",
        "..*",
        "f(.|.*)o",
        "(?-s:f.o.*)",
        "(?-s:f.o)",
        "(?-s:.)o.*",
        "f(o+|.*|a)(b.*|o)",
        ".+.+",
        ".*.+",
        "(?-s:.*)",
        "(?-s:foo.*bar)",
        "(?-s:.*foo.*)",
        "(?-s:.*)\nfoo.*",
        ".",
        ".?",
        "foo.*?",
        "(?m)^foo$",
        r"foo\.bar",
        "foo|bar|baz|qux|quux|a|b|c|d|e|fooo",
        "f.*o|foo",
        "[^b]*",
    ] {
        let fast = Regex::anchored(pattern).unwrap();
        // The boundary changes nothing, but is part of no simple form, so this one runs the engine.
        let slow = Regex::new(&format!(r"^(?s:\B{{0,1}}(?:{pattern}))$")).unwrap();
        for text in texts {
            assert_eq!(fast.is_match(text), slow.is_match(text), "{pattern} on {text:?}");
            let whole = fast.captures(text).map(|captures| captures.get(0).unwrap().to_string());
            assert_eq!(whole.as_deref(), fast.is_match(text).then_some(text), "{pattern} on {text:?}");
        }
    }
}

#[test]
fn a_list_of_literals_is_known_as_such() {
    let set = |pattern: &str| -> Option<Vec<String>> {
        Regex::anchored(pattern)
            .unwrap()
            .set_matches()
            .map(|set| set.iter().map(|one| one.to_string()).collect())
    };
    let some = |list: &[&str]| Some(list.iter().map(|one| one.to_string()).collect::<Vec<_>>());
    assert_eq!(set("foo"), some(&["foo"]));
    assert_eq!(set(""), some(&[""]));
    assert_eq!(set("foo|bar|foo"), some(&["bar", "foo"]));
    assert_eq!(set("^(foo|bar)$"), some(&["bar", "foo"]));
    assert_eq!(set("api-(v1|v2)"), some(&["api-v1", "api-v2"]));
    assert_eq!(set("a[12]|"), some(&["", "a1", "a2"]));
    assert_eq!(set(r"10\.0\.0\.1:9100"), some(&["10.0.0.1:9100"]));
    assert_eq!(set("foo.*"), None);
    assert_eq!(set("foo|bar.*"), None);
    assert_eq!(set(r"\d{3}"), None);
    assert_eq!(set("[a-z][a-z]"), None);
    assert_eq!(Regex::new("foo").unwrap().set_matches(), None);
    let many: Vec<String> = (0..20_000).map(|n| format!("instance-{n:05}")).collect();
    assert_eq!(set(&many.join("|")), Some(many));
}

#[test]
fn the_literal_start_is_known() {
    let prefix = |pattern: &str| Regex::anchored(pattern).unwrap().prefix().map(str::to_string);
    assert_eq!(prefix("api_.*"), Some("api_".into()));
    assert_eq!(prefix("(api_.+)"), Some("api_".into()));
    assert_eq!(prefix("^api_[0-9]+"), Some("api_".into()));
    assert_eq!(prefix("(?i)api.*"), None);
    assert_eq!(prefix(".*api"), None);
    assert_eq!(Regex::new("api").unwrap().prefix(), None);
}

#[test]
fn templates_expand_like_go() {
    for (pattern, text, template, expected) in [
        ("(?P<first>a+)(b)?", "aa", "$first|$2|$3|$none", "aa|||"),
        ("(a)(b)", "ab", "$1x|${1}x|$2$1", "|ax|ba"),
        ("(a)(b)", "ab", "$$1 $ ${ ${1 $-", "$1 $ ${ ${1 $-"),
        ("(a)", "a", "$0$01", "a"),
        ("(?P<n>x)|(?P<n>y)", "y", "<$n>", "<y>"),
        ("(.*)", "host:80", "$1", "host:80"),
    ] {
        let regex = Regex::new(pattern).unwrap();
        let captures = regex.captures(text).unwrap();
        let mut out = String::new();
        regex.expand(template, &captures, &mut out);
        assert_eq!(out, expected, "{template}");
    }
    let regex = Regex::anchored("([^:]+)(?::\\d+)?").unwrap();
    let mut out = String::new();
    regex.expand("${1}:9100", &regex.captures("host:80").unwrap(), &mut out);
    assert_eq!(out, "host:9100");
}

#[test]
fn every_match_is_replaced_like_in_go() {
    for (pattern, text, template, expected) in [
        ("ab", "abcdabcda", "AB", "ABcdABcda"),
        ("a*", "baac", "x", "xbxcx"),
        ("", "é1", "-", "-é-1-"),
        ("x*$", "ax", "-", "a-"),
        ("(\\w)(\\d)", "a1 b2", "$2$1", "1a 2b"),
        ("^a", "aaa", "b", "baa"),
        ("\\b", "ab cd", "|", "|ab| |cd|"),
        ("z", "abc", "x", "abc"),
        ("^(?:abc)$", "abc", "x$0", "xabc"),
    ] {
        assert_eq!(Regex::new(pattern).unwrap().replace_all(text, template), expected, "{pattern}");
    }
}

#[test]
fn a_pattern_that_compiles_too_large_is_refused() {
    assert!(error(r"(\pL{100}){10}x").contains("too large"));
    assert!(error("((a{100}){10}b{1000}){1}").contains("accepted"));
    assert!(error(&r"\pL".repeat(10_000)).contains("expression too large"));
    assert!(error(&format!("({})", "|".repeat(12_345))).contains("accepted"));
    let long = format!("({})", "(a?){900}".repeat(5_000));
    assert!(error(&long).contains("expression too large"));
}

#[test]
fn a_pattern_may_nest_deeply() {
    let deep = "(".repeat(248) + "[ab]c" + &")".repeat(248);
    assert!(Regex::new(&deep).unwrap().is_match("xbc"));
    assert!(Regex::anchored(&deep).unwrap().captures("bc").is_some());
    let flat = "(?:".repeat(100_000) + "a" + &")".repeat(100_000);
    assert!(Regex::new(&flat).unwrap().is_match("a"));
}

#[test]
fn patterns_compare_by_what_was_written() {
    let a = Regex::anchored("a.*").unwrap();
    assert_eq!(a, Regex::anchored("a.*").unwrap().clone());
    assert_ne!(a, Regex::new("a.*").unwrap());
    assert_eq!((a.as_str(), a.to_string().as_str()), ("a.*", "a.*"));
}

#[test]
fn a_quoted_text_matches_itself_only() {
    let text = r"a.b*[c](d)|e\^$+?{1}";
    assert_eq!(quote("a.b"), r"a\.b");
    assert_eq!(Regex::anchored(&quote(text)).unwrap().set_matches().unwrap(), [text.into()]);
}
