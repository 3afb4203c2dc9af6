use gocompat::template::{Function, Functions, Limits, MissingKey, Object, Template, Value};
use std::path::PathBuf;

/// An alert, as a caller would bring it.
struct Alert {
    status: &'static str,
    labels: Value,
}

impl Object for Alert {
    fn type_name(&self) -> &str {
        "template.Alert"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Status" => Some(Value::from(self.status)),
            "Labels" => Some(self.labels.clone()),
            "Next" => Some(Value::Nil),
            _ => None,
        }
    }
}

/// Labels: a map with methods.
struct Labels(Vec<(String, String)>);

impl Labels {
    fn value(pairs: &[(&str, &str)]) -> Value {
        Value::object(Labels(
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        ))
    }
}

impl Object for Labels {
    fn type_name(&self) -> &str {
        "template.KV"
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::string_map(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match (name, arguments) {
            ("Names", []) => Some(Ok(Value::list(self.0.iter().map(|(name, _)| Value::from(name.as_str()))))),
            ("Values", []) => {
                Some(Ok(Value::list(self.0.iter().map(|(_, value)| Value::from(value.as_str())))))
            }
            ("SortedPairs", []) => Some(Ok(Value::object(Labels(self.0.clone())))),
            ("Remove", [Value::List(names)]) => {
                let is_kept = |name: &String| !names.iter().any(|gone| gone.as_str() == Some(name));
                let kept = self.0.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
                Some(Ok(Value::object(Labels(kept))))
            }
            ("Remove", _) => Some(Err("wants a list".into())),
            _ => None,
        }
    }
}

fn functions() -> Functions {
    let text = |value: &Value| value.plain().as_str().map(str::to_string).ok_or("not a text".to_string());
    Functions::new()
        .with(
            "toUpper",
            Function::new(1, move |arguments| Ok(Value::from(text(&arguments[0])?.to_uppercase()))),
        )
        .with(
            "toLower",
            Function::new(1, move |arguments| Ok(Value::from(text(&arguments[0])?.to_lowercase()))),
        )
        .with("title", Function::new(1, |arguments| Ok(arguments[0].clone())))
        .with("trimSpace", Function::new(1, move |arguments| Ok(Value::from(text(&arguments[0])?.trim()))))
        .with(
            "join",
            Function::new(2, |arguments| match (&arguments[0], arguments[1].plain()) {
                (Value::String(separator), Value::List(values)) => {
                    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
                    Ok(Value::from(texts.join(separator)))
                }
                _ => Err("wants a text and a list".into()),
            }),
        )
        .with("stringSlice", Function::variadic(0, |arguments| Ok(Value::list(arguments.iter().cloned()))))
        .with("list", Function::variadic(0, |arguments| Ok(Value::list(arguments.iter().cloned()))))
        .with(
            "append",
            Function::variadic(1, |arguments| match &arguments[0] {
                Value::List(values) => Ok(Value::list(values.iter().chain(&arguments[1..]).cloned())),
                _ => Err("wants a list".into()),
            }),
        )
        .with("fail", Function::new(0, |_| Err("it broke".into())))
        .with("safeHtml", Function::new(1, |arguments| Ok(arguments[0].clone())))
        .with(
            "adder",
            Function::new(0, |_| {
                Ok(Value::Function(Function::new(2, |arguments| match (&arguments[0], &arguments[1]) {
                    (Value::Int(a), Value::Int(b)) => Ok(Value::Int(a + b)),
                    _ => Err("wants numbers".into()),
                })))
            }),
        )
        .with(
            "tmpl",
            Function::scoped(2, Some(2), |scope, arguments| {
                scope.execute(arguments[0].as_str().unwrap_or(""), arguments[1].clone()).map(Value::from)
            }),
        )
}

fn data() -> Value {
    let labels = Labels::value(&[("alertname", "Down"), ("job", "node")]);
    let alert = |status| Value::object(Alert { status, labels: labels.clone() });
    Value::map([
        ("Name", Value::from("x")),
        ("Empty", Value::from("")),
        ("N", Value::Int(3)),
        ("F", Value::Float(1234567.5)),
        ("T", Value::Bool(true)),
        ("Nothing", Value::Nil),
        ("L", Value::list(["a", "b", "c"].map(Value::from))),
        ("None", Value::list([])),
        ("M", Value::string_map([("b", "2"), ("a", "1")])),
        ("Deep", Value::map([("In", Value::map([("Side", Value::from("deep"))]))])),
        ("Labels", labels.clone()),
        ("Alerts", Value::list([alert("firing"), alert("resolved")])),
        ("Html", Value::from("<a href=\"x\">'&'</a>")),
    ])
}

fn template(text: &str) -> Template {
    let mut template = Template::new("t", functions()).missing_key(MissingKey::Zero);
    template.parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    template
}

fn run(text: &str) -> String {
    match template(text).execute(data()) {
        Ok(out) => out,
        Err(error) => error.to_string(),
    }
}

#[test]
fn templates_give_what_go_gives() {
    for (text, expected) in [
        ("plain } text", "plain } text"),
        ("{{.Name}} {{$.Name}} {{ . | len }}", "x x 13"),
        ("a {{- 1 -}} b {{ 2 -}}\n c", "a1b 2c"),
        ("a\n{{- /* note */ -}}\nb{{/* another */}}", "ab"),
        ("{{- 3}} {{-3}} {{3 -}} ", "3 -3 3"),
        ("{{.Deep.In.Side}}{{(index .Deep \"In\").Side}}", "deepdeep"),
        ("{{.Missing}}|{{.M.missing}}|{{.Nothing}}", "<no value>||<no value>"),
        (
            "{{1}} {{-7}} {{0x1F}} {{0b101}} {{0o17}} {{1_000}} {{'a'}} {{1.5}} {{1e3}} {{1e6}}",
            "1 -7 31 5 15 1000 97 1.5 1000 1e+06",
        ),
        ("{{\"a\\tb\\u00e9\"}} {{`r\\aw`}} {{true}} {{.F}}", "a\tbé r\\aw true 1.2345675e+06"),
        ("{{if .T}}yes{{else}}no{{end}} {{if .Empty}}yes{{else if .N}}n{{else}}no{{end}}", "yes n"),
        ("{{if not .None}}none{{end}}{{if 0.0}}x{{end}}{{if .Nothing}}x{{end}}", "none"),
        ("{{with .Deep}}{{.In.Side}}{{$.Name}}{{end}}{{with .Empty}}x{{else}}e{{end}}", "deepxe"),
        ("{{with .Empty}}x{{else with .Name}}{{.}}{{else}}z{{end}}", "x"),
        ("{{with $x := .Name}}{{$x}}{{.}}{{end}}", "xx"),
        ("{{range .L}}{{.}},{{end}}{{range .None}}x{{else}}none{{end}}", "a,b,c,none"),
        ("{{range $i, $e := .L}}{{$i}}{{$e}} {{end}}{{range $e := .L}}{{$e}}{{end}}", "0a 1b 2c abc"),
        ("{{range $k, $v := .M}}{{$k}}={{$v}};{{end}}{{range .M}}{{.}}{{end}}", "a=1;b=2;12"),
        ("{{range .L}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{range .L}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{else}}x{{end}}", "a"),
        ("{{range $i := 3}}{{$i}}{{end}}{{range 0}}x{{else}}none{{end}}", "012none"),
        ("{{range .Nothing}}x{{else}}nil{{end}}", "nil"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$y}}{{end}}{{$x}}", "32"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{$last := \"\"}}{{range .L}}{{$last = .}}{{end}}{{$last}}", "c"),
        ("{{$x := .Deep}}{{$x.In.Side}}", "deep"),
        ("{{.Name | printf \"%s-%s\" \"a\" | toUpper}}", "A-X"),
        ("{{(toUpper .Name) | len}}{{len (printf \"%d\" 100)}}", "13"),
        ("{{define \"d\"}}[{{.}}]{{end}}{{template \"d\" .Name}}{{template \"d\"}}", "[x][<no value>]"),
        ("{{block \"b\" .Name}}<{{.}}>{{end}}{{template \"b\" 1}}", "<x><1>"),
        ("{{define \"d\"}}{{$}}{{end}}{{with .Name}}{{template \"d\" $.N}}{{end}}", "3"),
        ("{{tmpl \"d\" 5}}{{define \"d\"}}{{.}}!{{end}}", "5!"),
        ("{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" \"z\"}} {{or 0 \"\"}} {{not 0}}", "0 2 z  true"),
        ("{{or .T fail}} {{and .Empty fail}} {{1 | and 0}} {{2 | or 0}}", "true  0 2"),
        ("{{len .L}} {{len .M}} {{len .Labels}} {{len \"é\"}}", "3 2 2 2"),
        (
            "{{index .L 1}} {{index .M \"a\"}}{{index .M \"z\"}} {{index .Labels \"job\"}} {{index \"abc\" 0}}",
            "b 1 node 97",
        ),
        ("{{index .Deep \"In\" \"Side\"}} {{index .L}}", "deep [a b c]"),
        ("{{slice \"abcd\" 1 3}} {{slice .L 1}} {{slice .L 0 1 2}}", "bc [b c] [a]"),
        (
            "{{eq 1 1}} {{eq 1 2 3 1}} {{ne \"a\" \"b\"}} {{eq .Nothing nil}} {{eq .Name nil}}",
            "true true true true false",
        ),
        ("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2.5}}", "true true true false"),
        ("{{print 1 2 \"a\" \"b\" 3 4.0 nil}}", "1 2ab3 4 <nil>"),
        ("{{println \"a\" 1}}.", "a 1\n."),
        (
            "{{html .Html}} {{js \"it's <b>\\n=\"}} {{urlquery \"a b&c/é\"}}",
            "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt; it\\'s \\u003Cb\\u003E\\u000A\\u003D a+b%26c%2F%C3%A9",
        ),
        ("{{print adder}} {{printf \"%d\" (list adder)}}", "<func> [<func>]"),
        ("{{($).Name}} {{(list 1 2) | len}} {{print (.Deep).In.Side}} {{printf `%T` 0xef}}", "x 2 deep int"),
        (
            "{{if and true 1 `hi` | not}}T{{else}}F{{end}} {{printf `%d %d` (1) (2 | call adder 3)}} {{\"a\"|printf }}",
            "F 1 5 a",
        ),
        ("{{call adder 1 2}}{{4 | call adder 1}}", "35"),
        (
            "{{.L}} {{.M}} {{.Labels}} {{list 1 nil \"a\" (list)}}",
            "[a b c] map[a:1 b:2] map[alertname:Down job:node] [1 <nil> a []]",
        ),
        ("{{.Labels.job}}{{.Labels.none}} {{.Labels.Values | join \",\"}}", "node Down,node"),
        (
            "{{(.Labels.Remove (stringSlice \"job\")).Names}} {{with .Labels.Remove .L}}{{.Names}}{{end}}",
            "[alertname] [alertname job]",
        ),
        ("{{range .Alerts}}{{.Status}}:{{.Labels.job}} {{end}}", "firing:node resolved:node "),
        (
            "{{range $l, $v := .Labels}}{{$l}}={{$v}} {{end}}{{if .Labels}}some{{end}}",
            "alertname=Down job=node some",
        ),
        ("{{ toUpper\n  .Name\n}}", "X"),
        ("{{if eq .N 3}}{{end}}{{.N}}{{ .T|print }}", "3true"),
        ("{{.Alerts | len | printf \"%03d\"}}", "002"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn printf_writes_like_go() {
    for (arguments, expected) in [
        (r#""%s|%5s|%-5s|%.2s|%q" "a" "b" "c" "def" "g""#, "a|    b|c    |de|\"g\""),
        (
            r#""%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%q|%U" 1 2 3 -4 5 6 255 255 255 8 5 65 65 65"#,
            "1|    2|3    |-0004|+5| 6|ff|FF|0xff|10|101|A|'A'|U+0041",
        ),
        (
            r#""%f|%.2f|%8.3f|%-8.1f|%+.1f|%08.2f|%e|%g|%.3g|%G" 1.5 2.345 3.14159 1.25 2.0 -1.5 12345.678 1e-7 1234.5678 1e20"#,
            "1.500000|2.35|   3.142|1.2     |+2.0|-0001.50|1.234568e+04|1e-07|1.23e+03|1E+20",
        ),
        (r#""%t|%v|%v|%v|%v" true 1 1.5 "s" nil"#, "true|1|1.5|s|<nil>"),
        (r#""%v|%s|%d|%q" .L .L (list 1 2) .L"#, "[a b c]|[a b c]|[1 2]|[\"a\" \"b\" \"c\"]"),
        (r#""%v|%T|%T|%T|%T|%T" .M 1 "s" 1.5 .L nil"#, "map[a:1 b:2]|int|string|float64|[]string|<nil>"),
        (r#""%x|%X|%.3d|%*d|%-*d|" "hi" "hi" 7 4 1 3 2"#, "6869|6869|007|   1|2  |"),
        (r#""%d|%s|%f|%t" "hi" 5 1 "x""#, "%!d(string=hi)|%!s(int=5)|%!f(int=1)|%!t(string=x)"),
        (r#""%d|%s" 1"#, "1|%!s(MISSING)"),
        (r#""%d" 1 "x" 2"#, "1%!(EXTRA string=x, int=2)"),
        (r#""100%%|%z|%" 1"#, "100%|%!z(int=1)|%!(NOVERB)"),
        (r#""%s|%d" nil nil"#, "%!s(<nil>)|%!d(<nil>)"),
        (r#""%v %s" .Labels .Labels"#, "map[alertname:Down job:node] map[alertname:Down job:node]"),
        (r#""%5t|%5v|%6.2f%%" true .T 12.345"#, " true| true| 12.35%"),
    ] {
        assert_eq!(run(&format!("{{{{printf {arguments}}}}}")), expected, "{arguments}");
    }
    let data = Value::list([f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(Value::Float));
    let text = "{{range .}}{{printf \"%f %6.2f %+g %06f\" . . . .}} {{.}};{{end}}";
    let expected = "+Inf   +Inf +Inf   +Inf +Inf;-Inf   -Inf -Inf   -Inf -Inf;NaN    NaN +NaN    NaN NaN;";
    assert_eq!(template(text).execute(data).unwrap(), expected);
}

#[test]
fn what_does_not_parse_is_told_like_in_go() {
    for (text, expected) in [
        ("{{", "template: t:1: unclosed action"),
        ("a\n{{ .X\n\n", "template: t:4: unclosed action started at t:2"),
        ("{{ } }}", "template: t:1: unexpected \"}\" in command"),
        ("{{ .X } }}", "template: t:1: unexpected \"}\" in operand"),
        ("\n{{ foo }}", "template: t:2: function \"foo\" not defined"),
        ("{{ $x }}", "template: t:1: undefined variable \"$x\""),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", "template: t:1: undefined variable \"$x\""),
        ("{{end}}", "template: t:1: unexpected {{end}}"),
        ("{{else}}", "template: t:1: unexpected {{else}}"),
        ("{{if .X}}", "template: t:1: unexpected EOF"),
        ("{{if}}x{{end}}", "template: t:1: missing value for if"),
        ("{{}}", "template: t:1: missing value for command"),
        ("{{range}}{{end}}", "template: t:1: missing value for range"),
        ("{{if .X}}{{else}}{{else}}{{end}}", "template: t:1: expected end; found {{else}}"),
        ("{{.X | 3}}", "template: t:1: non executable command in pipeline stage 2"),
        ("{{(.X}}", "template: t:1: unclosed left paren"),
        ("{{.X)}}", "template: t:1: unexpected right paren"),
        ("{{\"x}}", "template: t:1: unterminated quoted string"),
        ("{{`x}}", "template: t:1: unterminated raw quoted string"),
        ("{{'x}}", "template: t:1: unterminated character constant"),
        ("{{'xy'}}", "template: t:1: malformed character constant: 'xy'"),
        ("{{\"\\z\"}}", "template: t:1: invalid syntax"),
        ("{{/* x}}", "template: t:1: unclosed comment"),
        ("{{/* x */ y}}", "template: t:1: comment ends before closing delimiter"),
        ("{{3abc}}", "template: t:1: bad number syntax: \"3a\""),
        ("{{08}}", "template: t:1: illegal number syntax: \"08\""),
        ("{{99999999999999999999}}", "template: t:1: integer overflow: \"99999999999999999999\""),
        ("{{.X+1}}", "template: t:1: bad character U+002B '+'"),
        ("{{\u{1}}}", "template: t:1: unrecognized character in action: U+0001"),
        ("{{. : 1}}", "template: t:1: expected :="),
        ("{{$x, $y := 1}}", "template: t:1: too many declarations in command"),
        ("{{range $x, $y, $z := .}}{{end}}", "template: t:1: too many declarations in range"),
        ("{{range $x, .Y}}{{end}}", "template: t:1: range can only initialize variables"),
        ("{{break}}", "template: t:1: {{break}} outside {{range}}"),
        ("{{range .}}{{define \"x\"}}{{end}}{{end}}", "template: t:1: unexpected <define> in command"),
        ("{{template .X}}", "template: t:1: unexpected \".X\" in template clause"),
        (
            "{{define \"a\"}}x{{end}}{{define \"a\"}}y{{end}}",
            "template: t:1: template: multiple definition of template \"a\"",
        ),
        ("{{define \"a\" .}}{{end}}", "template: t:1: unexpected <.> in define clause"),
        ("{{nil.X}}", "template: t:1: unexpected . after term \"nil\""),
        ("{{\"a\".X}}", "template: t:1: unexpected . after term \"\\\"a\\\"\""),
        ("{{.X, 1}}", "template: t:1: unexpected \",\" in operand"),
        ("{{if .X}}{{end if}}", "template: t:1: unexpected <if> in end"),
        ("{{.AVeryLongFieldName = 1}}", "template: t:1: unexpected \"=\" in operand"),
        ("{{template \"x\" .X =}}", "template: t:1: unexpected \"=\" in operand"),
    ] {
        let mut template = Template::new("t", functions());
        let error = template.parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = "{{if true}}".repeat(5_000);
    assert!(Template::new("t", functions()).parse(&deep).is_err());
    let deep = format!("{{{{{}}}}}", "(".repeat(5_000));
    assert!(Template::new("t", functions()).parse(&deep).is_err());
}

#[test]
fn what_fails_while_running_is_told_with_its_place() {
    for (text, expected) in [
        (
            "{{.Name.Foo}}",
            "template: t:1:7: executing \"t\" at <.Name.Foo>: can't evaluate field Foo in type string",
        ),
        ("a\n  {{.N.X}}", "template: t:2:6: executing \"t\" at <.N.X>: can't evaluate field X in type int"),
        (
            "{{range .Alerts}}{{.Foo}}{{end}}",
            "template: t:1:19: executing \"t\" at <.Foo>: can't evaluate field Foo in type template.Alert",
        ),
        (
            "{{.Nothing.X}}",
            "template: t:1:10: executing \"t\" at <.Nothing.X>: nil pointer evaluating interface {}.X",
        ),
        ("{{fail}}", "template: t:1:2: executing \"t\" at <fail>: error calling fail: it broke"),
        (
            "{{index .L 9}}",
            "template: t:1:2: executing \"t\" at <index .L 9>: error calling index: index out of range: 9",
        ),
        (
            "{{index .N 9}}",
            "template: t:1:2: executing \"t\" at <index .N 9>: error calling index: can't index item of type int",
        ),
        ("{{len 3}}", "template: t:1:2: executing \"t\" at <len 3>: error calling len: len of type int"),
        (
            "{{len .Nothing}}",
            "template: t:1:2: executing \"t\" at <len .Nothing>: error calling len: len of nil pointer",
        ),
        (
            "{{eq 1 1.0}}",
            "template: t:1:2: executing \"t\" at <eq 1 1.0>: error calling eq: incompatible types for comparison",
        ),
        (
            "{{lt true false}}",
            "template: t:1:2: executing \"t\" at <lt true false>: error calling lt: invalid type for comparison",
        ),
        (
            "{{eq 1}}",
            "template: t:1:2: executing \"t\" at <eq 1>: error calling eq: missing argument for comparison",
        ),
        (
            "{{toUpper}}",
            "template: t:1:2: executing \"t\" at <toUpper>: wrong number of args for toUpper: want 1 got 0",
        ),
        (
            "{{printf}}",
            "template: t:1:2: executing \"t\" at <printf>: wrong number of args for printf: want at least 1 got 0",
        ),
        (
            "{{3 | toUpper 4}}",
            "template: t:1:6: executing \"t\" at <toUpper>: wrong number of args for toUpper: want 1 got 2",
        ),
        ("{{range 1.5}}{{end}}", "template: t:1:8: executing \"t\" at <1.5>: range can't iterate over 1.5"),
        (
            "{{template \"no\" .}}",
            "template: t:1:11: executing \"t\" at <{{template \"no\" .}}>: template \"no\" not defined",
        ),
        ("{{if nil}}{{end}}", "template: t:1:5: executing \"t\" at <nil>: nil is not a command"),
        ("{{(nil).X}}", "template: t:1:3: executing \"t\" at <nil>: nil is not a command"),
        (
            "{{$x := 1}}{{3 | $x}}",
            "template: t:1:17: executing \"t\" at <$x>: can't give argument to non-function $x",
        ),
        (
            "{{index .L nil}}",
            "template: t:1:2: executing \"t\" at <index .L nil>: error calling index: cannot index slice/array with nil",
        ),
        ("{{nil}}", "template: t:1:2: executing \"t\" at <nil>: nil is not a command"),
        (
            "{{.Name 1}}",
            "template: t:1:2: executing \"t\" at <.Name>: Name is not a method but has arguments",
        ),
        ("{{1 | .N}}", "template: t:1:6: executing \"t\" at <.N>: N is not a method but has arguments"),
        (
            "{{\"a\" 1}}",
            "template: t:1:2: executing \"t\" at <\"a\">: can't give argument to non-function \"a\"",
        ),
        (
            "{{.Labels.Remove 1}}",
            "template: t:1:9: executing \"t\" at <.Labels.Remove>: error calling Remove: wants a list",
        ),
        (
            "{{define \"d\"}}\n{{.X.Y}}{{end}}{{template \"d\" 1}}",
            "template: t:2:4: executing \"d\" at <.X.Y>: can't evaluate field X in type int",
        ),
        ("{{$y = 1}}", "template: t:1:7: executing \"t\" at <1>: undefined variable: $y"),
        (
            "{{tmpl \"no\" 1}}",
            "template: t:1:2: executing \"t\" at <tmpl \"no\" 1>: error calling tmpl: template: no template \"no\" associated with template \"t\"",
        ),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
    let strict = |text: &str| {
        let mut template = Template::new("t", functions()).missing_key(MissingKey::Error);
        template.parse(text).unwrap();
        template.execute(data()).unwrap_err().to_string()
    };
    assert!(strict("{{.Gone}}").ends_with("at <.Gone>: map has no entry for key \"Gone\""));
    assert_eq!(
        template("").execute_named("x", Value::Nil).unwrap_err().to_string(),
        "template: no template \"x\" associated with template \"t\""
    );
    assert_eq!(
        Template::new("t", functions()).execute(Value::Nil).unwrap_err().to_string(),
        "template: t: \"t\" is an incomplete or empty template"
    );
}

#[test]
fn later_definitions_replace_earlier_ones() {
    let mut template = template("{{define \"a\"}}1{{end}}{{template \"a\"}}");
    template.parse_named("more", "{{define \"a\"}}2{{end}}{{define \"b\"}}b{{end}}").unwrap();
    assert_eq!(template.execute(Value::Nil).unwrap(), "2");
    template.parse("{{define \"a\"}} {{end}}").unwrap();
    assert_eq!(template.execute(Value::Nil).unwrap(), "2");
    assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b", "more", "t"]);
}

#[test]
fn no_template_runs_without_end() {
    let limits = Limits { steps: 10_000, output_bytes: 100_000, ..Limits::default() };
    for (text, problem) in [
        (
            "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}",
            "exceeded maximum template depth (250)",
        ),
        (
            "{{define \"a\"}}{{if true}}{{with 1}}{{range 1}}{{template \"a\"}}{{end}}{{end}}{{end}}{{end}}{{template \"a\"}}",
            "maximum template depth",
        ),
        (
            "{{define \"a\"}}{{if ((((tmpl \"a\" .)))) }}{{end}}{{end}}{{template \"a\"}}",
            "maximum template depth",
        ),
        ("{{range 1000000000}}{{end}}", "exceeded maximum number of steps (10000)"),
        ("{{range 9000}}xxxxxxxxxxxxxxxxxxxxxxxx{{end}}", "exceeded maximum output size (100000 bytes)"),
        ("{{$x := \"x\"}}{{range 5000}}{{$x = print $x $x}}{{end}}", "exceeded maximum output size"),
        ("{{$x := list 1}}{{range 5000}}{{$x = list $x $x}}{{end}}", "exceeded maximum depth of a value"),
        ("{{$x := list 1}}{{range 50}}{{$x = list $x $x}}{{end}}{{$x}}", "exceeded maximum output size"),
        ("{{printf \"%1000000d%1000000d%1000000d\" 1 1 1}}", "exceeded maximum output size"),
    ] {
        let error = template(text).limits(limits).execute(data()).expect_err(text).to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn texts_are_escaped_for_html() {
    use gocompat::template::escape::html;
    assert_eq!(html("<b a='1'>\"&\"</b>\0"), "&lt;b a=&#39;1&#39;&gt;&#34;&amp;&#34;&lt;/b&gt;\u{fffd}");
}

#[test]
fn the_templates_of_alertmanager_parse_and_run() {
    let Some(folder) = testkit::conformance("alertmanager/templates") else { return };
    let mut template = Template::new("", functions()).missing_key(MissingKey::Zero);
    for file in ["default.tmpl", "email.tmpl"] {
        template.parse_named(file, &std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    }
    let labels = Labels::value(&[("alertname", "Down"), ("job", "node")]);
    let grouped = Labels::value(&[("alertname", "Down")]);
    let alert = Value::object(Alert { status: "firing", labels: labels.clone() });
    let alerts = Value::map([("Firing", Value::list([alert])), ("Resolved", Value::list([]))]);
    let data = Value::map([
        ("Status", Value::from("firing")),
        ("Receiver", Value::from("team x")),
        ("ExternalURL", Value::from("http://am")),
        ("Alerts", alerts),
        ("GroupLabels", grouped),
        ("CommonLabels", labels),
    ]);
    assert_eq!(template.execute_named("__subject", data.clone()).unwrap(), "[FIRING:1] Down (node)");
    assert_eq!(
        template.execute_named("slack.default.titlelink", data.clone()).unwrap(),
        "http://am/#/alerts?receiver=team+x"
    );
    assert_eq!(template.execute_named("jira.default.priority", data).unwrap(), "");
}

#[test]
fn the_plain_cases_of_alertmanager_hold() {
    let Some(file) = testkit::conformance("alertmanager/cases/template.json") else { return };
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut count = 0;
    for case in cases.as_array().unwrap() {
        let text = case["template"].as_str().unwrap();
        let own = case["test"] == "TemplateExpansion" || case["test"] == "TemplateFuncs";
        if !own || case["html"] == true || !case["data_go"].is_null() {
            continue;
        }
        let mut template = Template::new("", functions());
        if let Err(error) = template.parse(text) {
            // A function of the product is missing, or it is meant to fail.
            assert!(case["fails"] == true || error.to_string().contains("not defined"), "{text}: {error}");
            continue;
        }
        if text.contains("title") {
            continue;
        }
        count += 1;
        let out = template.execute(Value::Nil);
        assert_eq!(out.is_err(), case["fails"] == true, "{text}");
        if let Ok(out) = out {
            assert_eq!(Some(out.as_str()), case["expected"].as_str(), "{text}");
        }
    }
    assert!(count >= 8, "only {count} cases ran");
}
