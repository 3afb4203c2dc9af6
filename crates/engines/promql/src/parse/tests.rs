use super::*;
use crate::ast::{At, DurationExpr, ValueType};
use crate::pretty;

fn ok(query: &str) -> Expr {
    parse(query, &Features::all()).unwrap_or_else(|error| panic!("{query}: {error}"))
}

fn fails(query: &str) -> String {
    parse(query, &Features::all()).expect_err(query).to_string()
}

/// The expression with parentheses around every operation.
fn grouped(expr: &Expr) -> String {
    match expr {
        Expr::Binary(e) => format!("({} {} {})", grouped(&e.left), e.op.as_str(), grouped(&e.right)),
        Expr::Unary(e) => format!("({}{})", if e.negative { "-" } else { "+" }, grouped(&e.expr)),
        Expr::Paren(e) => grouped(&e.expr),
        other => other.to_string(),
    }
}

#[test]
fn operators_bind_as_in_the_manual() {
    for (query, wanted) in [
        ("a + b * c ^ d ^ e", "(a + (b * (c ^ (d ^ e))))"),
        ("a - b - c", "((a - b) - c)"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("a or b and c unless d == e", "(a or ((b and c) unless (d == e)))"),
        ("a </ 5 + 1 >/ 2", "((a </ (5 + 1)) >/ 2)"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("a offset 5m + b", "(a offset 5m + b)"),
        ("foo offset -2 ^ 2", "(foo offset -2s ^ 2)"),
        ("foo offset (5m) - 1m", "foo offset (5m) - 1m"),
        ("- foo @ 5", "(-foo @ 5.000)"),
    ] {
        assert_eq!(grouped(&ok(query)), wanted, "{query}");
    }
}

#[test]
fn nodes_know_their_bytes() {
    let query = "sum by (job) (rate(http{code=\"5\"}[5m] offset 1h)) / 2 > bool ( up @ end() )";
    let Expr::Binary(compare) = ok(query) else { panic!("no comparison") };
    let text = |span: Span| &query[span.start..span.end];
    assert_eq!(text(compare.span), query);
    assert_eq!(text(compare.right.span()), "( up @ end() )");
    let Expr::Binary(divide) = *compare.left else { panic!("no division") };
    let Expr::Aggregate(sum) = &*divide.left else { panic!("no sum") };
    assert_eq!(text(sum.span), "sum by (job) (rate(http{code=\"5\"}[5m] offset 1h))");
    let Expr::Call(rate) = &*sum.expr else { panic!("no rate") };
    assert_eq!(text(rate.span), "rate(http{code=\"5\"}[5m] offset 1h)");
    let Expr::Range(range) = &rate.args[0] else { panic!("no range") };
    assert_eq!(text(range.span), "http{code=\"5\"}[5m] offset 1h");
    assert_eq!(text(range.selector.span), "http{code=\"5\"}");
    assert_eq!(text(range.range.span()), "5m");
}

#[test]
fn an_error_says_line_and_column() {
    for (query, wanted) in [
        ("", "unknown position: parse error: no expression found in input"),
        ("# nothing", "1:1: parse error: no expression found in input"),
        (
            "sum(\n  up{a=b}\n)",
            "2:8: parse error: unexpected identifier \"b\" in label matching, expected string",
        ),
        ("(1))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("foo +  bool  bar", "1:5: parse error: bool modifier can only be used on comparison operators"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        (
            "rate(up)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("a\u{a0}+ b", "1:2: parse error: unexpected character: '\\u00a0'"),
        ("foo bar \"a long enough string\"", "1:5: parse error: unexpected identifier \"bar\""),
        ("foo \"a long enough string\"", "1:5: parse error: unexpected string \"\\\"a long en\"..."),
        (
            "sum by (a b) (c)",
            "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        ("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"),
        ("(a + on (b) group_left )", "1:24: parse error: unexpected \")\" in grouping opts, expected \"(\""),
        ("rate(a[5m] b)", "1:12: parse error: unexpected identifier \"b\""),
        (
            "foo[5m 5m]",
            "1:8: parse error: unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\"",
        ),
        ("rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args"),
        (
            "foo offset (5m) - bar",
            "1:19: parse error: unexpected identifier \"bar\" in offset, expected number, duration, step(), or range()",
        ),
    ] {
        assert_eq!(fails(query), wanted, "{query}");
    }
}

#[test]
fn after_a_mistake_later_ones_are_still_found() {
    let errors = parse("sum by (==, b) (a{x=}) + on (y) @", &Features::all()).expect_err("three mistakes");
    let messages: Vec<String> = errors.0.iter().map(|error| error.message.clone()).collect();
    assert_eq!(
        messages,
        [
            "unexpected <op:==> in grouping opts, expected label",
            "unexpected \"}\" in label matching, expected string",
            "unexpected <op:@>",
        ]
    );
}

#[test]
fn words_of_the_language_are_names_where_they_can_be() {
    for query in
        ["sum + avg", "by", "offset offset 5m", "step[5m]", "start{end=\"x\"}", "fill + fill", "on_ + bool_"]
    {
        ok(query);
    }
    assert_eq!(ok("a + fill(1) b").to_string(), "a + fill (1) b");
    for query in ["on", "bool + a", "group_left", "atan2 + 1"] {
        assert!(fails(query).contains("parse error: unexpected <"), "{query}");
    }
}

#[test]
fn what_is_switched_off_says_so() {
    let off = Features { duration_expressions: false, ..Features::default() };
    for (query, wanted) in [
        (
            "limitk(2, a)",
            "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("mad_over_time(a[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"),
        ("a[5m + 5m]", "1:3: parse error: experimental duration expression is not enabled"),
        ("a[5m] smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"),
        ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ] {
        assert_eq!(parse(query, &off).expect_err(query).to_string(), wanted);
    }
    assert!(parse("a[5m + 5m]", &Features::default()).is_ok());
}

#[test]
fn deep_nesting_is_an_error_and_long_chains_have_a_bound() {
    let deep = |open: &str, inside: &str, close: &str, levels: usize| {
        format!("{}{inside}{}", open.repeat(levels), close.repeat(levels))
    };
    for query in [
        deep("(", "a", ")", 100_000),
        deep("-", "a", "", 100_000),
        deep("sum(", "a", ")", 100_000),
        deep("a ^ ", "a", "", 100_000),
        deep("a + ", "a", "", 100_000),
        deep("", "a", "[5m:]", 100_000),
        deep("a[", "5m", "]", 100_000),
        format!("a[{}", deep("(", "5m", ")]", 100_000)),
        format!("a[{}]", deep("5m + ", "5m", "", 100_000)),
        format!("a offset {}", deep("-", "5m", "", 100_000)),
        format!("a[{}]", deep("max_of(1m, ", "5m", ")", 100_000)),
    ] {
        assert!(parse(&query, &Features::all()).is_err(), "{}", &query[..40]);
    }
    let chain = format!("{}a", "a or ".repeat(MAX_DEPTH - 1));
    let expr = ok(&chain);
    assert_eq!(expr.to_string(), chain);
    assert_eq!(expr.clone(), expr);
    assert_eq!(ok(&pretty(&expr)).to_string(), chain);
    ok(&deep("(", "a", ")", MAX_NESTING - 1));
    ok(&deep("sum(abs(", "a", "))", MAX_NESTING / 2 - 1));
}

#[test]
fn durations_are_numbers_and_may_be_calculated() {
    let Expr::Number(number) = ok("1h30m") else { panic!("no number") };
    assert_eq!((number.value, number.is_duration), (5400.0, true));
    let Expr::Range(range) = ok("a[2.5]") else { panic!("no range") };
    assert!(matches!(range.range, DurationExpr::Constant { duration_ms: 2500, is_number: true, .. }));
    let Expr::Selector(selector) = ok("a @ -1.5 offset -5m") else { panic!("no selector") };
    assert_eq!(selector.at, Some(At::Timestamp(-1500)));
    assert!(matches!(selector.offset, Some(DurationExpr::Constant { duration_ms: -300_000, .. })));
    for (query, wanted) in [
        ("a[5]", "a[5s]"),
        ("a[((5m))]", "a[(5m)]"),
        ("a[ -step( ) + 2 * 1m : min_of(5s,range()) ]", "a[-step() + 2 * 1m:min_of(5s, range())]"),
        ("a offset +(5)", "a offset (5)"),
        ("a offset -(1h / 2)", "a offset -(1h / 2)"),
        ("a offset 0s", "a"),
        ("a[5m] smoothed @ start() offset 1d", "a[5m] smoothed @ start() offset 1d"),
    ] {
        assert_eq!(ok(query).to_string(), wanted, "{query}");
    }
}

#[test]
fn printing_is_canonical() {
    for (query, wanted) in [
        ("SUM BY(b,\"c.d\",) (A{z='1',a=~\"x\"})", "sum by (b, \"c.d\") (A{a=~\"x\",z=\"1\"})"),
        ("sum(a) without()", "sum without () (a)"),
        ("sum(a) by()", "sum(a)"),
        ("topk(5,a)", "topk(5, a)"),
        ("a+on()group_left b", "a + on () group_left () b"),
        ("a==bool ignoring(x) b", "a == bool ignoring (x) b"),
        ("a+fill_right(2)fill_left(1e-7)b", "a + fill_left (1e-07) fill_right (2) b"),
        ("{\"my.metric\", 'a.b'!=`c`}", "{\"a.b\"!=\"c\",__name__=\"my.metric\"}"),
        ("+Inf + -Inf + NaN + 1e3 + 0x10", "+Inf + -Inf + NaN + 1000 + 16"),
        ("'it\\'s' == \"\\xff\"", "never"),
    ] {
        match parse(query, &Features::all()) {
            Ok(expr) => assert_eq!(expr.to_string(), wanted, "{query}"),
            Err(error) => assert_eq!(wanted, "never", "{query}: {error}"),
        }
    }
    assert_eq!(ok(r#""a\xc5z""#).to_string(), r#""a\xc5z""#);
    assert_eq!(ok(r#"'it\'s'"#).to_string(), r#""it's""#);
}

#[test]
fn long_expressions_are_split_into_lines() {
    let query = "sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{job=\"kubelet\", image!=\"\"}[5m])) \
                 / on (namespace) group_left () topk(5, -kube_pod_info{node=\"a\"})";
    assert_eq!(
        pretty(&ok(query)),
        "  sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{image!=\"\",job=\"kubelet\"}[5m]))\n\
         / on (namespace) group_left ()\n\
         \x20 topk(5, -kube_pod_info{node=\"a\"})"
    );
    let long = "a".repeat(95);
    assert_eq!(
        pretty(&ok(&format!("sum(-({long} + b))"))),
        format!("sum(\n  -(\n    {long} + b\n  )\n)").replace("    aaa", "    aaa")
    );
    assert_eq!(pretty(&ok("a+b")), "a + b");
}

#[test]
fn a_selector_and_a_metric_parse_alone() {
    let matchers = parse_selector("up{job=~\"a|b\", \"x.y\"!=\"\"}").expect("a selector");
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["job=~\"a|b\"", "\"x.y\"!=\"\"", "__name__=\"up\""]);
    assert!(parse_selector("{}").expect("the empty selector").is_empty());
    assert_eq!(
        parse_selector("up[5m]").expect_err("a range").to_string(),
        "1:3: parse error: unexpected \"[\""
    );
    assert_eq!(parse_selector("").expect_err("nothing").0[0].message, "unexpected end of input");
    let labels = parse_metric("up{b=\"2\", \"a.b\"='1',}").expect("a metric");
    assert_eq!(labels.to_string(), "{__name__=\"up\", \"a.b\"=\"1\", b=\"2\"}");
    assert!(parse_metric("up{b=~\"2\"}").is_err());
    assert_eq!(ok("{__name__=\"x\"}").value_type(), ValueType::Vector);
}

#[test]
fn series_descriptions_keep_their_runs() {
    let (labels, values) =
        parse_series_description("m{a=\"b\"} 1 -3-10x4 _ _x3 stale Inf 5x2 {{schema:1 count:4 sum:2.5 z_bucket:1 z_bucket_w:0.1 buckets:[1 2] offset:-1 n_buckets:[3]}}+{{schema:1 buckets:[1 1] counter_reset_hint:gauge}}x2")
            .expect("a description");
    assert_eq!(labels.to_string(), "{__name__=\"m\", a=\"b\"}");
    assert_eq!(values[0], SequenceValue::Float { start: 1.0, step: 0.0, count: 1 });
    assert_eq!(values[1], SequenceValue::Float { start: -3.0, step: -10.0, count: 5 });
    assert_eq!(values[2..4], [SequenceValue::Omitted { count: 1 }, SequenceValue::Omitted { count: 3 }]);
    assert!(matches!(values[4], SequenceValue::Float { start, .. } if model::sample::is_stale_nan(start)));
    assert_eq!(values[6], SequenceValue::Float { start: 5.0, step: 0.0, count: 3 });
    let SequenceValue::Histogram { start, step: Some(step), count: 3, is_hint_set: true } = &values[7] else {
        panic!("{:?}", values[7])
    };
    assert_eq!((start.schema, start.count, start.sum, start.zero_count), (1, 4.0, 2.5, 1.0));
    assert_eq!((start.positive_spans[0].offset, start.positive_spans[0].length), (-1, 2));
    assert_eq!(start.negative_buckets, [3.0]);
    assert_eq!((step.histogram.positive_buckets.as_slice(), step.subtract), (&[1.0, 1.0][..], false));
    assert!(parse_series_description("stale_metric").expect("no values").1.is_empty());
    for wrong in
        ["m 1 stalex3", "m 1+2", "m {{foo:1}}", "m {{schema:1 schema:2}}", "m {{schema:1", "m 0x1 0xf"]
    {
        assert!(parse_series_description(wrong).is_err(), "{wrong}");
    }
}
