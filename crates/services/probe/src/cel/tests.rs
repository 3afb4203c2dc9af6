use super::*;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn eval(expression: &str, body: &str) -> Result<Value, CelError> {
    Program::compile(expression)?.evaluate(&json(body))
}

const BODY: &str = r#"{"foo": "bar", "baz": "qux", "n": 3, "f": 1.5, "list": [1, 2, 3], "nested": {"a": {"b": null}},
    "items": [{"name": "x", "ok": true}, {"name": "y", "ok": false}], "at": "2024-05-06T07:08:09Z", "ok": true}"#;

#[test]
fn expressions_yield_what_the_language_says() {
    for (expression, expected) in [
        ("body.foo == 'bar' && body.baz.startsWith('q')", true),
        ("body.foo == \"other\"", false),
        ("body.n == 3", true),
        ("body.n > 2 && body.n <= 3.0", true),
        ("body['n'] + 1.0 == 4.0", true),
        ("2 + 3 * 4 - 10 / 5 == 12", true),
        ("7 % 4 == 3 && -7 / 2 == -3", true),
        ("size(body.list) == 3 && body.list.size() == 3", true),
        ("2.0 in body.list && 2 in body.list && !(5 in body.list)", true),
        ("'foo' in body && !('nope' in body)", true),
        ("has(body.foo) && !has(body.nope)", true),
        ("body.nested.a.b == null", true),
        ("body.items.exists(i, i.name == 'y' && !i.ok)", true),
        ("body.items.all(i, i.ok)", false),
        ("body.items.exists_one(i, i.ok)", true),
        ("body.items.filter(i, i.ok).map(i, i.name) == ['x']", true),
        ("body.items.map(i, !i.ok, i.name)[0] == 'y'", true),
        ("body.foo.matches('^b.r$') && matches(body.foo, 'a')", true),
        ("body.foo.endsWith('r') && body.foo.contains('a')", true),
        ("body.ok ? body.n == 3 : false", true),
        ("int(body.f) == 1 && double('1.5') == body.f && string(1) == '1'", true),
        ("type(body.foo) == string && type(body.n) == double", true),
        ("timestamp(body.at) < timestamp('2025-01-01T00:00:00Z')", true),
        ("timestamp(body.at).getFullYear() == 2024", true),
        ("timestamp(body.at) + duration('1h') == timestamp('2024-05-06T08:08:09Z')", true),
        ("body.nope == 1 || true", true),
        ("false && body.nope == 1", false),
        ("{'a': 1}.a == 1 && {'a': [1]} == {'a': [1]}", true),
        ("r'\\d' == '\\\\d' && b'abc' == bytes('abc')", true),
        ("body.foo != 1", true),
        ("!!body.ok", true),
        ("0x10 == 16 && 1u < 2u && 1e3 == 1000.0", true),
    ] {
        match eval(expression, BODY) {
            Ok(Value::Bool(value)) => assert_eq!(value, expected, "{expression}"),
            other => panic!("{expression}: {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    for (expression, expected) in [
        ("body.nope == 1", "no such key: nope"),
        ("body.foo + 1 == 2", "no such overload"),
        ("body.n + 1 == 4", "no such overload"),
        ("body.list[9] == 1", "index out of bounds"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 == 0", "integer overflow"),
        ("body.foo < 1", "no such overload"),
        ("[1].all(x, x.y == 1)", "no such overload"),
    ] {
        assert_eq!(eval(expression, BODY).unwrap_err().0, expected, "{expression}");
    }
}

#[test]
fn mistakes_are_found_when_compiling() {
    for (expression, expected) in [
        ("foo.bar", "column 1: undeclared reference to 'foo'"),
        ("body.foo ==", "ends too early"),
        ("body.foo == 'x", "a quote is missing"),
        ("body.frob()", "undeclared reference to 'frob'"),
        ("size(body, body)", "does not take 2 arguments"),
        ("body.foo = 1", "unexpected"),
        ("body.foo.matches('[')", "missing closing"),
        ("(((body)", "expected \")\""),
        ("body.items.map(i, i) && i", "undeclared reference to 'i'"),
        ("", "ends too early"),
    ] {
        let error = Program::compile(expression).unwrap_err().0;
        assert!(error.contains(expected), "{expression}: {error}");
    }
    assert!(Program::compile(&"(".repeat(50_000)).is_err());
    assert!(Program::compile(&"!".repeat(50_000)).is_err());
    assert!(Program::compile(&format!("body{}", ".a".repeat(20_000))).is_err());
    assert!(Program::compile(&format!("1{}", " + 1".repeat(5_000))).is_err());
}

#[test]
fn an_evaluation_ends() {
    let list = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]";
    let expression = format!(
        "{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, {list}.all(e, a + b + c + d + e > 0)))))"
    );
    assert!(eval(&expression, "{}").unwrap_err().0.contains("steps"));
}
