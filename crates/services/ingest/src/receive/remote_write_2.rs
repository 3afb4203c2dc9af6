//! Remote write 2.0: `POST /api/v1/write` with a snappy-compressed `io.prometheus.write.v2.Request`. A
//! request is stored as far as it can be; the answer's headers count what was.

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use model::storage::WriteBatch;
use model::{Exemplar, Labels, Metadata, MetricType};
use wire::remote2::{self, Head, Point, Request};

use super::gather::{self, Gather, Outcome, WEIGHT_MAX};
use super::{Buffers, Receiver, Refused, bad_request, decompress};

/// What of a request was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    samples: u64,
    histograms: u64,
    exemplars: u64,
}

impl Written {
    /// Says so in the headers of the answer.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", self.samples),
            ("x-prometheus-remote-write-histograms-written", self.histograms),
            ("x-prometheus-remote-write-exemplars-written", self.exemplars),
        ] {
            headers.insert(name, HeaderValue::from(count));
        }
    }

    fn of(outcome: &Outcome) -> Written {
        let appended = &outcome.appended;
        Written {
            samples: appended.accepted - appended.accepted_histograms,
            histograms: appended.accepted_histograms,
            exemplars: appended.exemplars,
        }
    }
}

pub(crate) fn store(receiver: &Receiver, body: &Bytes) -> (Written, Result<(), Refused>) {
    let mut buffers = receiver.take_buffers();
    let Buffers { decoded, batch } = &mut buffers;
    let stored = decompress(receiver, body, decoded).and_then(|decoded| store_with(receiver, decoded, batch));
    receiver.give_back(buffers);
    match stored {
        // What is not on disk is not written.
        Ok(outcome) => match outcome.finish(receiver) {
            Err(refused) if refused.0.is_server_error() => (Written::default(), Err(refused)),
            result => (Written::of(&outcome), result),
        },
        Err(refused) => (Written::default(), Err(refused)),
    }
}

fn malformed(error: wire::DecodeError) -> Refused {
    bad_request(error.to_string())
}

fn store_with(receiver: &Receiver, decoded: &[u8], batch: &mut WriteBatch) -> Result<Outcome, Refused> {
    let request = Request::read(decoded, WEIGHT_MAX).map_err(malformed)?;
    let labelled = receiver.config.type_and_unit_labels;
    let mut outcome = gather::write(receiver, batch, &mut |gather| {
        let (mut head, mut pairs) = (Head::default(), Vec::new());
        for series in request.series() {
            let series = series.map_err(malformed)?;
            series.head(&mut head).map_err(malformed)?;
            pairs.clear();
            add_series(gather, &request, series, &head, &mut pairs, labelled)?;
        }
        Ok(())
    })?;
    let refused = outcome.appended.exemplars_refused;
    if refused > 0 {
        outcome.refuse("out of order exemplar, or one with labels that are too long", refused);
    }
    Ok(outcome)
}

/// Adds one series; what of it cannot be stored is counted, and does not keep the others out.
fn add_series<'a>(
    gather: &mut Gather<'_>,
    request: &Request<'a>,
    series: remote2::TimeSeries<'a>,
    head: &Head,
    pairs: &mut Vec<(&'a str, &'a str)>,
    labelled: bool,
) -> Result<(), Refused> {
    let points = || series.points().filter(|point| !matches!(point, Ok(Point::Exemplar(_)))).count() as u64;
    let texts = request
        .pairs(&head.labels, pairs)
        .and_then(|()| Ok((request.symbol(head.help)?, request.symbol(head.unit)?)));
    let (help, unit) = match texts {
        Ok(texts) => texts,
        Err(error) => {
            gather.outcome.refuse(error.to_string(), points().max(1));
            return Ok(());
        }
    };
    if !head.has_samples {
        gather.outcome.refuse("a series must contain at least one sample or histogram", 1);
        return Ok(());
    }
    if labelled && (head.metric_type != MetricType::Unknown || !unit.is_empty()) {
        pairs.retain(|(name, _)| *name != "__type__" && *name != "__unit__");
        if head.metric_type != MetricType::Unknown {
            pairs.push(("__type__", head.metric_type.as_str()));
        }
        pairs.push(("__unit__", unit));
    }
    let metric = pairs.iter().find(|(name, _)| *name == model::METRIC_NAME).map_or("", |(_, value)| *value);
    // Counting them takes a walk, so only where it matters.
    let refused_before = gather.outcome.invalid;
    let Some(found) = gather.series(pairs, 1)? else {
        if gather.outcome.invalid > refused_before {
            gather.outcome.invalid = refused_before + points();
        }
        return Ok(());
    };
    for point in series.points() {
        match point.map_err(malformed)? {
            Point::Sample { timestamp_ms, value, start_ms } => {
                let start_ms = if start_ms == 0 { head.start_ms } else { start_ms };
                gather.float(found, timestamp_ms, value, start_ms)?;
            }
            Point::Histogram(message) => match message.decode() {
                Ok(histogram) => {
                    let start_ms = if message.start_ms == 0 { head.start_ms } else { message.start_ms };
                    gather.histogram(found, message.timestamp_ms, histogram, start_ms)?;
                }
                Err(error) => gather.outcome.refuse(error.to_string(), 1),
            },
            Point::Exemplar(message) => add_exemplar(gather, request, found, message)?,
        }
    }
    if head.metric_type != MetricType::Unknown || !help.is_empty() || !unit.is_empty() {
        gather.metadata(family(metric, head.metric_type), || Metadata {
            metric_type: head.metric_type,
            unit: unit.to_string(),
            help: help.to_string(),
        })?;
    }
    Ok(())
}

fn add_exemplar<'a>(
    gather: &mut Gather<'_>,
    request: &Request<'a>,
    series: model::storage::SeriesRef,
    message: &'a [u8],
) -> Result<(), Refused> {
    let exemplar = remote2::Exemplar::read(message).map_err(malformed)?;
    let mut pairs = Vec::new();
    if let Err(error) = request.pairs(&exemplar.labels, &mut pairs) {
        gather.outcome.refuse(error.to_string(), 1);
        return Ok(());
    }
    let exemplar = Exemplar {
        labels: Labels::from_pairs(pairs),
        value: exemplar.value,
        timestamp_ms: exemplar.timestamp_ms,
        timestamp_given: exemplar.timestamp_ms != 0,
    };
    gather.exemplar(series, exemplar)
}

/// The metric that a series belongs to: those of a classic histogram or summary have several series.
fn family(metric: &str, metric_type: MetricType) -> &str {
    let suffixes: &[&str] = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => {
            &["_bucket", "_sum", "_count", "_gsum", "_gcount"]
        }
        MetricType::Summary => &["_sum", "_count"],
        _ => &[],
    };
    suffixes
        .iter()
        .find_map(|suffix| metric.strip_suffix(suffix))
        .filter(|name| !name.is_empty())
        .unwrap_or(metric)
}
