//! Answers of name servers, broken in every way.

use testkit::allocation::Counting;
use testkit::fuzz::Fuzz;

use super::message::parse;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn fuzz_dns() {
    // A SOA whose names refer to the question's, and an address.
    let mut answer = vec![0, 7, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 0];
    answer.extend_from_slice(
        b"\x04zone\x04test\x00\x00\x06\x00\x01\xc0\x0c\x00\x06\x00\x01\x00\x00\x01\x2c\x00\x1e",
    );
    answer.extend_from_slice(b"\x02ns\xc0\x0c\x02me\xc0\x0c");
    answer.extend_from_slice(&[0; 20]);
    answer.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\x0a\x00\x00\x01");
    assert!(parse(&answer).is_ok());
    Fuzz::new("dns", vec![answer]).run(|input| {
        if let Ok(message) = parse(input) {
            let _ = message.sections.iter().flatten().map(|record| record.line().len()).sum::<usize>();
        }
    });
}
