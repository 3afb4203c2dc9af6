//! An event as Alertmanager's protobuf schema has it, written as JSON or in binary from one
//! description. As in proto3, what is empty or 0 is left out in both.

use wire::writer::Writer;

/// The first second of the first year, which is how Go writes that there is no time.
const NO_TIME_SECONDS: i64 = -62_135_596_800;

/// A message: its fields by number and name, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message(Vec<(u32, &'static str, Value)>);

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Texts(Vec<String>),
    /// A `uint64`, which JSON has as a text; many of them.
    Wide(Vec<u64>),
    /// One of them.
    Counter(u64),
    Small(u32),
    Flag(bool),
    Choice(u32, &'static str),
    /// Milliseconds since the epoch; 0 is no time.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
    Message(Message),
    Messages(Vec<Message>),
}

impl Message {
    fn with(mut self, number: u32, name: &'static str, value: Value) -> Self {
        self.0.push((number, name, value));
        self
    }

    pub(super) fn text(self, number: u32, name: &'static str, text: &str) -> Self {
        self.with(number, name, Value::Text(text.to_string()))
    }

    pub(super) fn texts(self, number: u32, name: &'static str, texts: &[String]) -> Self {
        self.with(number, name, Value::Texts(texts.to_vec()))
    }

    pub(super) fn counter(self, number: u32, name: &'static str, value: u64) -> Self {
        self.with(number, name, Value::Counter(value))
    }

    pub(super) fn counters(self, number: u32, name: &'static str, values: &[u64]) -> Self {
        self.with(number, name, Value::Wide(values.to_vec()))
    }

    pub(super) fn small(self, number: u32, name: &'static str, value: u32) -> Self {
        self.with(number, name, Value::Small(value))
    }

    pub(super) fn flag(self, number: u32, name: &'static str, value: bool) -> Self {
        self.with(number, name, Value::Flag(value))
    }

    pub(super) fn choice(self, number: u32, name: &'static str, choice: (u32, &'static str)) -> Self {
        self.with(number, name, Value::Choice(choice.0, choice.1))
    }

    pub(super) fn time(self, number: u32, name: &'static str, at_ms: i64) -> Self {
        self.with(number, name, Value::Time(at_ms))
    }

    pub(super) fn duration(self, number: u32, name: &'static str, ms: i64) -> Self {
        self.with(number, name, Value::Duration(ms))
    }

    pub(super) fn message(self, number: u32, name: &'static str, message: Message) -> Self {
        self.with(number, name, Value::Message(message))
    }

    pub(super) fn messages(
        self,
        number: u32,
        name: &'static str,
        messages: impl Iterator<Item = Message>,
    ) -> Self {
        self.with(number, name, Value::Messages(messages.collect()))
    }

    /// As protobuf's JSON mapping has it.
    pub(super) fn push_json(&self, out: &mut String) {
        out.push('{');
        let fields = self.0.iter().filter(|(_, _, value)| !value.is_blank());
        for (at, (_, name, value)) in fields.enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_string(out, name);
            out.push(':');
            value.push_json(out);
        }
        out.push('}');
    }

    /// In binary.
    pub(super) fn write(&self, out: &mut Writer<'_>) {
        for (number, _, value) in self.0.iter().filter(|(_, _, value)| !value.is_blank()) {
            value.write(*number, out);
        }
    }
}

impl Value {
    /// Whether it is what proto3 leaves out. A message that is set never is.
    fn is_blank(&self) -> bool {
        match self {
            Value::Text(text) => text.is_empty(),
            Value::Texts(texts) => texts.is_empty(),
            Value::Wide(values) => values.is_empty(),
            Value::Counter(value) => *value == 0,
            Value::Small(value) | Value::Choice(value, _) => *value == 0,
            Value::Flag(flag) => !flag,
            Value::Messages(messages) => messages.is_empty(),
            Value::Time(_) | Value::Duration(_) | Value::Message(_) => false,
        }
    }

    fn push_json(&self, out: &mut String) {
        match self {
            Value::Text(text) => push_string(out, text),
            Value::Texts(texts) => push_list(out, texts, |out, text| push_string(out, text)),
            Value::Wide(values) => {
                push_list(out, values, |out, value| push_string(out, &value.to_string()));
            }
            Value::Counter(value) => push_string(out, &value.to_string()),
            Value::Small(value) => out.push_str(&value.to_string()),
            Value::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Choice(_, name) => push_string(out, name),
            Value::Time(at_ms) => push_string(out, &time_text(*at_ms)),
            Value::Duration(ms) => {
                let sign = if *ms < 0 { "-" } else { "" };
                let (seconds, rest) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
                let text = match rest {
                    0 => format!("{sign}{seconds}s"),
                    rest => format!("{sign}{seconds}.{rest:03}s"),
                };
                push_string(out, &text);
            }
            Value::Message(message) => message.push_json(out),
            Value::Messages(messages) => push_list(out, messages, |out, message| message.push_json(out)),
        }
    }

    fn write(&self, number: u32, out: &mut Writer<'_>) {
        match self {
            Value::Text(text) => out.text(number, text),
            Value::Texts(texts) => texts.iter().for_each(|text| out.text(number, text)),
            // Packed, as proto3 has it: a field of numbers one after the other.
            Value::Wide(values) => {
                out.message(number, |out| values.iter().for_each(|value| out.varint(*value)));
            }
            Value::Counter(value) => out.uint(number, *value),
            Value::Small(value) | Value::Choice(value, _) => out.uint(number, u64::from(*value)),
            Value::Flag(flag) => out.uint(number, u64::from(*flag)),
            Value::Time(0) => write_seconds(number, NO_TIME_SECONDS, 0, out),
            Value::Time(at_ms) => {
                write_seconds(number, at_ms.div_euclid(1_000), at_ms.rem_euclid(1_000) * 1_000_000, out);
            }
            // Both parts of a duration have its sign.
            Value::Duration(ms) => write_seconds(number, ms / 1_000, ms % 1_000 * 1_000_000, out),
            Value::Message(message) => out.message(number, |out| message.write(out)),
            Value::Messages(messages) => {
                for message in messages {
                    out.message(number, |out| message.write(out));
                }
            }
        }
    }
}

/// A `Timestamp` or `Duration`.
fn write_seconds(number: u32, seconds: i64, nanos: i64, out: &mut Writer<'_>) {
    out.message(number, |out| {
        for (number, value) in [(1, seconds), (2, nanos)] {
            if value != 0 {
                out.int(number, value);
            }
        }
    });
}

/// Without decimals, or with three.
fn time_text(at_ms: i64) -> String {
    match at_ms {
        0 => "0001-01-01T00:00:00Z".to_string(),
        whole if whole % 1_000 == 0 => gocompat::layout::format_ms("2006-01-02T15:04:05Z07:00", whole),
        other => gocompat::layout::format_ms("2006-01-02T15:04:05.000Z07:00", other),
    }
}

fn push_list<T>(out: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

/// A text in quotes. Unlike Go's `encoding/json`, protobuf's mapping leaves `<`, `>` and `&` as they
/// are.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::default()
            .text(1, "name", "a<\"b\"\n")
            .text(2, "empty", "")
            .counter(3, "hash", u64::MAX)
            .counters(4, "hashes", &[1, 300])
            .small(5, "position", 2)
            .flag(6, "resolved", true)
            .choice(7, "reason", (2, "NEW"))
            .time(8, "startsAt", 1_500)
            .time(9, "endsAt", 0)
            .duration(10, "repeat", 14_400_000)
            .message(11, "nothing", Message::default())
            .messages(12, "list", [Message::default().text(1, "key", "v")].into_iter())
            .texts(13, "equal", &["x".into(), "y".into()])
    }

    #[test]
    fn json_is_that_of_protobuf() {
        let mut out = String::new();
        message().push_json(&mut out);
        assert_eq!(
            out,
            r#"{"name":"a<\"b\"\n","hash":"18446744073709551615","hashes":["1","300"],"position":2,"resolved":true,"reason":"NEW","startsAt":"1970-01-01T00:00:01.500Z","endsAt":"0001-01-01T00:00:00Z","repeat":"14400s","nothing":{},"list":[{"key":"v"}],"equal":["x","y"]}"#
        );
    }

    #[test]
    fn binary_has_each_field_under_its_number() {
        let short = Message::default()
            .text(1, "a", "x")
            .counters(4, "b", &[1, 300])
            .time(8, "c", 1_500)
            .duration(10, "d", -1_500)
            .message(11, "e", Message::default());
        let mut out = Vec::new();
        short.write(&mut Writer::new(&mut out));
        let mut expected = vec![0x0a, 1, b'x', 0x22, 3, 1, 0xac, 2, 0x42, 7, 8, 1, 0x10];
        expected.extend([0x80, 0xca, 0xb5, 0xee, 1]); // 500,000,000 ns
        expected.splice(9..10, [8]); // the time's length
        assert_eq!(out[..expected.len()], expected);
        assert_eq!(out[out.len() - 2..], [0x5a, 0]);
    }
}
