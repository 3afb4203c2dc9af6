//! Log lines on standard error: time, level, message, fields.

use std::fmt::{self, Write};

use base::Clock;
use clap::Args;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Level {
    /// Everything.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
}

/// How a line looks that a program shall read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `time=… level=… msg=… name=value`.
    Logfmt,
    /// An object of JSON with the same names.
    Json,
}

/// The flags of the log.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LogFlags {
    /// How much is logged
    #[arg(long = "log.level", value_enum, default_value_t, value_name = "LEVEL")]
    pub(crate) level: Level,
    /// How lines look; lines for people if it is not given
    #[arg(long = "log.format", value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

/// Sets up logging for the whole process.
pub(crate) fn init(flags: LogFlags) {
    let filter = match flags.level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_max_level(filter);
    // A second call, in a test, keeps the first one's settings.
    let _ = match flags.format {
        None => tracing::subscriber::set_global_default(subscriber.finish()),
        Some(format) => tracing::subscriber::set_global_default(subscriber.event_format(format).finish()),
    };
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let time = gocompat::layout::format_rfc3339_ms(Clock::system().now_ms());
        let line = self.line(&time, event.metadata().level().as_str(), fields);
        writeln!(to, "{line}")
    }
}

impl Format {
    fn line(self, time: &str, level: &str, fields: Fields) -> String {
        let first = [("time", time.into()), ("level", level.into()), ("msg", fields.message.into())];
        let all = first.into_iter().chain(fields.others);
        let mut line = String::new();
        for (at, (name, value)) in all.enumerate() {
            // Writing to a string does not fail.
            let _ = match (self, at) {
                (Format::Json, 0) => write!(line, "{{{}:{value}", Value::from(name)),
                (Format::Json, _) => write!(line, ",{}:{value}", Value::from(name)),
                (Format::Logfmt, 0) => write!(line, "{name}={}", bare(&value)),
                (Format::Logfmt, _) => write!(line, " {name}={}", bare(&value)),
            };
        }
        if self == Format::Json {
            line.push('}');
        }
        line
    }
}

/// A value as logfmt has it: in quotes only where it would not end where it ends.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_plain = |c: char| c > ' ' && !matches!(c, '"' | '=' | '\\' | '\u{7f}');
            match !text.is_empty() && text.chars().all(is_plain) {
                true => text.clone(),
                false => gocompat::quote::quote(text),
            }
        }
        other => other.to_string(),
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_whatever_it_says() {
        let fields = || Fields {
            message: "two \"words\"\n".into(),
            others: vec![("path", "/a=b".into()), ("count", 3.into()), ("host", "h".into())],
        };
        let json = Format::Json.line("2026-01-02T03:04:05Z", "WARN", fields());
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["level"], &json["msg"]), (&"WARN".into(), &"two \"words\"\n".into()));
        assert_eq!((&json["path"], &json["count"]), (&"/a=b".into(), &3.into()));
        assert_eq!(
            Format::Logfmt.line("2026-01-02T03:04:05Z", "WARN", fields()),
            r#"time=2026-01-02T03:04:05Z level=WARN msg="two \"words\"\n" path="/a=b" count=3 host=h"#
        );
    }
}
