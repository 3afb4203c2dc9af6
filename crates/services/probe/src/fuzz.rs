//! What strangers send, broken in every way: answers of name servers, certificates, and expressions.

use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn answers_of_name_servers() {
    // A SOA whose names refer to the question's.
    let mut answer = vec![0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    answer.extend_from_slice(
        b"\x04zone\x04test\x00\x00\x06\x00\x01\xc0\x0c\x00\x06\x00\x01\x00\x00\x01\x2c\x00\x1e",
    );
    answer.extend_from_slice(b"\x02ns\xc0\x0c\x02me\xc0\x0c");
    answer.extend_from_slice(&[0; 20]);
    assert!(crate::dns::message::parse(&answer).is_ok());
    Fuzz::new("dns answer", vec![answer]).run(|input| {
        if let Ok(message) = crate::dns::message::parse(input) {
            let _ = message.sections.iter().flatten().map(|record| record.line().len()).sum::<usize>();
        }
    });
}

#[test]
fn expressions() {
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
