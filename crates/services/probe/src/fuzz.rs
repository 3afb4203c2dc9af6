//! Expressions, broken in every way.

use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn fuzz_cel() {
    let corpus = [
        "body.a.exists(i, i.b[0] + 1.0 > 2.0 ? has(i.c) : 'x' in {'k': [b'y']})",
        "-1 * -(2u) != r'\\' + \"\\u00e9\"",
    ];
    let body = serde_json::json!({"a": [{"b": [1.5], "c": null}]});
    Fuzz::new("cel", corpus.iter().map(|text| text.as_bytes().to_vec()).collect()).run(|input| {
        if let Ok(text) = std::str::from_utf8(input)
            && let Ok(program) = crate::cel::Program::compile(text)
        {
            let _ = program.evaluate(&body);
        }
    });
}
