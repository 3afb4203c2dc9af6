//! Spans as `ExportTraceServiceRequest` of OTLP.

use wire::Writer;

use crate::{Finished, Kind, Value};

/// One request.
pub(crate) fn request(service: &str, spans: &[Finished]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |out| {
        out.message(1, |out| {
            attribute(out, 1, "service.name", &service.into());
            attribute(out, 1, "service.version", &env!("CARGO_PKG_VERSION").into());
        });
        out.message(2, |out| {
            out.message(1, |out| out.text(1, "promontory"));
            for span in spans {
                out.message(2, |out| write(out, span));
            }
        });
    });
    out
}

fn write(out: &mut Writer<'_>, span: &Finished) {
    out.bytes(1, &span.trace.to_be_bytes());
    out.bytes(2, &span.id.to_be_bytes());
    if span.parent != 0 {
        out.bytes(4, &span.parent.to_be_bytes());
    }
    out.text(5, span.name);
    out.uint(
        6,
        match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
    );
    out.fixed64(7, span.start_ns);
    out.fixed64(8, span.end_ns);
    for (name, value) in &span.attributes {
        attribute(out, 9, name, value);
    }
    if let Some(error) = &span.error {
        out.message(15, |out| {
            out.text(2, error);
            out.uint(3, 2); // STATUS_CODE_ERROR
        });
    }
}

fn attribute(out: &mut Writer<'_>, number: u32, name: &str, value: &Value) {
    out.message(number, |out| {
        out.text(1, name);
        out.message(2, |out| match value {
            Value::Text(text) => out.text(1, text),
            Value::Bool(yes) => out.uint(2, u64::from(*yes)),
            Value::Int(number) => out.int(3, *number),
            Value::Float(number) => out.double(4, *number),
        });
    });
}
