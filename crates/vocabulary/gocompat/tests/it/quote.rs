use gocompat::quote::{quote, unquote};

#[test]
fn strings_quote_like_in_go_and_read_back() {
    for (text, quoted) in [
        ("a\"b\\c", r#""a\"b\\c""#),
        ("\n\t\x07\0\x7f", r#""\n\t\a\x00\x7f""#),
        ("é世😀", "\"é世😀\""),
        ("\u{a0}\u{feff}\u{200b}", r#""\u00a0\ufeff\u200b""#),
        ("e\u{301}", "\"e\u{301}\""),
        ("\u{e0001}", r#""\U000e0001""#),
    ] {
        assert_eq!(quote(text), quoted);
        assert_eq!(unquote(quoted).as_deref(), Some(text));
    }
    assert_eq!(unquote("`a\\n\"`").as_deref(), Some("a\\n\""));
    assert_eq!(unquote(r#""\101\xc3\xa9\u00e9""#).as_deref(), Some("Aéé"));
    for broken in [r#"""#, r#""a"#, r#""\z""#, r#""\'""#, r#""a"b""#, "'ab'", r#""\x4""#, r#""\ud800""#] {
        assert_eq!(unquote(broken), None, "{broken}");
    }
}
