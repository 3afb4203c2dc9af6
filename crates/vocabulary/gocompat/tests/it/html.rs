//! Pages as Go's `html/template` writes them: `html.json` has templates and what Go 1.27 made of them
//! with the data below.

use gocompat::template::html::{Trust, Trusted};
use gocompat::template::{Functions, MissingKey, Template, Value};

fn data() -> Value {
    Value::map([
        ("S", Value::from("<b>\"it's\" & a/b+c=`é`</b>")),
        ("U", Value::from("http://h/p?a=1&b=é 'x'")),
        ("J", Value::from("javascript:alert(1)")),
        ("L", Value::list([Value::from("a<"), Value::from("b")])),
        ("N", Value::Int(42)),
        ("F", Value::Float(1.5)),
        ("B", Value::Bool(true)),
        ("M", Value::string_map([("k", "</script>")])),
        ("C", Value::from("#f00")),
        ("T", Value::from("div")),
        ("H", Trusted::value(Trust::Html, "<b title=\"x\">y</b> &amp; \"q\"")),
        ("X", Trusted::value(Trust::Url, "tel:1 2")),
        ("W", Value::from("http://h/%41%zz/{}|^")),
        ("Q", Value::from("expression(1)")),
        ("P", Value::from("plain")),
    ])
}

fn page(text: &str) -> String {
    let mut template = Template::new("", Functions::new()).missing_key(MissingKey::Zero).escaping_html();
    template.parse(text).and_then(|()| template.execute(data())).unwrap_or_else(|error| error.to_string())
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    let cases: Vec<(String, String)> = serde_json::from_str(include_str!("html.json")).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| page(text) != *expected)
        .map(|(text, expected)| format!("{text}\n  got {}\n  not {expected}", page(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn comments_show_nothing() {
    assert_eq!(
        page("<script>/* {{.S}} */ x = {{.N}} / 2 // {{.S}}\n</script>{{.P}}"),
        "<script>/*  */ x =  42  / 2 // \n</script>plain"
    );
    assert_eq!(
        page("<style>/* {{.S}} */ p { width: {{.N}}px }</style>"),
        "<style>/*  */ p { width: 42px }</style>"
    );
}

#[test]
fn templates_called_stand_where_the_call_stands() {
    let text = "{{define \"u\"}}{{.U}}{{end}}<a href=\"{{template \"u\" .}}\">{{template \"u\" .}}</a>";
    assert_eq!(
        page(text),
        "<a href=\"http://h/p?a=1&amp;b=%c3%a9%20%27x%27\">http://h/p?a=1&amp;b=é &#39;x&#39;</a>"
    );
}

#[test]
fn broken_pages_are_written_as_far_as_they_go() {
    for text in [
        "<",
        "</",
        "<a",
        "<a href",
        "<a href=",
        "<a href=\"",
        "<a href='é",
        "<script>é",
        "<!-- é",
        "<p é=ü>é",
        "<style>a{b:url(é",
    ] {
        for value in ["", "{{.S}}", "{{.L}}{{.S}}é"] {
            let out = page(&format!("{text}{value}"));
            assert!(!out.contains("<b>") && !out.contains("template:"), "{text}{value}: {out}");
        }
    }
}
