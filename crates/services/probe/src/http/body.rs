//! The body of an answer: decompressed while it comes, bounded, counted, and kept where checks want to see it.

use std::io::{self, Write};

use crate::config::HttpProbe;
use crate::report::Report;

/// Size of a body that checks look at. One that nothing looks at is only counted.
pub(super) const CHECKED_MAX_BYTES: u64 = 64 << 20;

/// Takes what comes, after decompression.
struct Sink {
    count: u64,
    max: u64,
    kept: Option<Vec<u8>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.max.saturating_sub(self.count);
        let taken = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.count += taken as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&bytes[..taken]);
        }
        match taken < bytes.len() {
            true => Err(io::Error::other(format!("the body is larger than {} bytes", self.max))),
            false => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Plain(Sink),
    Gzip(Box<flate2::write::MultiGzDecoder<Sink>>),
    Deflate(Box<flate2::write::DeflateDecoder<Sink>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Sink>>),
}

/// A body as it comes.
pub(super) struct Body {
    decoder: Decoder,
}

impl Body {
    /// Keeps what comes if `keep`. Fails for a compression that does not exist.
    pub(super) fn new(probe: &HttpProbe, keep: bool) -> Result<Body, String> {
        let configured = match probe.body_size_max_bytes {
            0 => u64::MAX,
            max => max,
        };
        let max = if keep { configured.min(CHECKED_MAX_BYTES) } else { configured };
        let sink = Sink { count: 0, max, kept: keep.then(Vec::new) };
        let decoder = match probe.compression.to_ascii_lowercase().as_str() {
            "" | "identity" => Decoder::Plain(sink),
            "gzip" => Decoder::Gzip(Box::new(flate2::write::MultiGzDecoder::new(sink))),
            "deflate" => Decoder::Deflate(Box::new(flate2::write::DeflateDecoder::new(sink))),
            "br" => Decoder::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(sink, 4096))),
            _ => return Err("unsupported compression algorithm".into()),
        };
        Ok(Body { decoder })
    }

    /// Takes a part of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.decoder {
            Decoder::Plain(sink) => sink.write_all(bytes),
            Decoder::Gzip(decoder) => decoder.write_all(bytes),
            Decoder::Deflate(decoder) => decoder.write_all(bytes),
            Decoder::Brotli(decoder) => decoder.write_all(bytes),
        }
    }

    /// Ends the body: it must be complete.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match &mut self.decoder {
            Decoder::Plain(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
            Decoder::Brotli(decoder) => decoder.close(),
        }
    }

    fn sink(&self) -> &Sink {
        match &self.decoder {
            Decoder::Plain(sink) => sink,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Deflate(decoder) => decoder.get_ref(),
            Decoder::Brotli(decoder) => decoder.get_ref(),
        }
    }

    /// Length after decompression.
    pub(super) fn size_bytes(&self) -> u64 {
        self.sink().count
    }

    fn kept(&self) -> &[u8] {
        self.sink().kept.as_deref().unwrap_or_default()
    }

    /// Holds the body against the regular expressions.
    pub(super) fn matches(&self, probe: &HttpProbe, report: &mut Report) -> bool {
        let text = String::from_utf8_lossy(self.kept());
        for regexp in &probe.fail_if_body_matches {
            if regexp.is_match(&text) {
                return report.fail("Body matched regular expression", &[("regexp", &regexp.as_str())]);
            }
        }
        for regexp in &probe.fail_if_body_not_matches {
            if !regexp.is_match(&text) {
                return report.fail("Body did not match regular expression", &[("regexp", &regexp.as_str())]);
            }
        }
        true
    }

    /// Holds the body against the CEL expressions.
    pub(super) fn matches_json(&self, probe: &HttpProbe, report: &mut Report) -> bool {
        let json: serde_json::Value = match serde_json::from_slice(self.kept()) {
            Ok(json) => json,
            Err(error) => return report.fail("Error unmarshalling HTTP body to JSON", &[("err", &error)]),
        };
        let checks = [
            (&probe.fail_if_json_matches, true, "Body matched CEL expression"),
            (&probe.fail_if_json_not_matches, false, "Body did not match CEL expression"),
        ];
        for (program, fails_on, message) in checks {
            let Some(program) = program else { continue };
            match program.evaluate(&json) {
                Err(error) => return report.fail("Error evaluating CEL expression", &[("err", &error)]),
                Ok(crate::cel::Value::Bool(value)) if value == fails_on => {
                    return report.fail(message, &[("expression", &program.text())]);
                }
                Ok(crate::cel::Value::Bool(_)) => {}
                Ok(other) => {
                    return report
                        .fail("CEL evaluation result is not a boolean", &[("type", &other.type_name())]);
                }
            }
        }
        true
    }
}
