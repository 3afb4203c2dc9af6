//! OTLP in JSON: protobuf's mapping with lower camel case (the names of the fields are understood, too),
//! identifiers in hexadecimal, large numbers as texts.

use std::borrow::Cow;

use serde_json::{Map, Value};
use wire::otlp::{
    AnyValue, Attributes, Buckets, Budget, Data, Exemplar, ExponentialPoint, HistogramPoint, Metric, Number,
    NumberPoint, Point, ResourceMetrics, ScopeMetrics, SummaryPoint, Temporality,
};

use crate::receive::{Refused, bad_request};

type Owned = Result<Vec<ResourceMetrics<'static>>, Refused>;

/// What a request says, resource by resource.
pub(super) fn read(body: &[u8], budget: &mut Budget) -> Owned {
    let root: Value =
        serde_json::from_slice(body).map_err(|error| bad_request(format!("not valid JSON: {error}")))?;
    let mut reader = Reader { budget };
    let root = object(&root, "the request")?;
    reader.list(root, "resourceMetrics", Reader::resource)
}

fn wrong(name: &str, expected: &str) -> Refused {
    bad_request(format!("{name}: expected {expected}"))
}

fn object<'v>(value: &'v Value, name: &str) -> Result<&'v Map<String, Value>, Refused> {
    value.as_object().ok_or_else(|| wrong(name, "an object"))
}

/// A member by its name in camel or snake case; none if it is null.
fn member<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let found = map.get(name).or_else(|| {
        let mut snake = String::with_capacity(name.len() + 4);
        for c in name.chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        map.get(&snake)
    });
    found.filter(|value| !value.is_null())
}

fn text(map: &Map<String, Value>, name: &str) -> Result<Cow<'static, str>, Refused> {
    match member(map, name) {
        None => Ok(Cow::Borrowed("")),
        Some(Value::String(text)) => Ok(Cow::Owned(text.clone())),
        Some(_) => Err(wrong(name, "a text")),
    }
}

/// A whole number, also as a text.
fn whole<T: TryFrom<i128>>(value: &Value, name: &str) -> Result<T, Refused> {
    let number = match value {
        Value::Number(number) => match number.as_i128() {
            Some(number) => Some(number),
            // 1.0 and 1e3 are whole numbers, too.
            None => number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e19).map(|n| n as i128),
        },
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| wrong(name, "a whole number"))
}

fn whole_or<T: TryFrom<i128> + Default>(map: &Map<String, Value>, name: &str) -> Result<T, Refused> {
    member(map, name).map_or(Ok(T::default()), |value| whole(value, name))
}

fn double(value: &Value, name: &str) -> Result<f64, Refused> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(|| wrong(name, "a number"))
}

fn double_or(map: &Map<String, Value>, name: &str) -> Result<f64, Refused> {
    member(map, name).map_or(Ok(0.0), |value| double(value, name))
}

fn hex(map: &Map<String, Value>, name: &str) -> Result<Cow<'static, [u8]>, Refused> {
    let text = text(map, name)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect();
    match bytes.filter(|_| rest.is_empty()) {
        Some(bytes) => Ok(Cow::Owned(bytes)),
        None => Err(wrong(name, "hexadecimal digits")),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut word, mut bits, mut bytes) = (0u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    Some(bytes)
}

struct Reader<'b> {
    budget: &'b mut Budget,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<(), Refused> {
        self.budget.take(count).map_err(|error| bad_request(error.to_string()))
    }

    fn list<T>(
        &mut self,
        map: &Map<String, Value>,
        name: &str,
        mut read: impl FnMut(&mut Self, &Value) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        match member(map, name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                self.take(values.len())?;
                values.iter().map(|value| read(self, value)).collect()
            }
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    fn attributes(&mut self, map: &Map<String, Value>, name: &str) -> Result<Attributes<'static>, Refused> {
        self.list(map, name, |reader, value| {
            let pair = object(value, "an attribute")?;
            let found = match member(pair, "value") {
                Some(value) => reader.any(value)?,
                None => AnyValue::Empty,
            };
            Ok((text(pair, "key")?, found))
        })
    }

    /// The parser of JSON bounds how deep it nests.
    fn any(&mut self, value: &Value) -> Result<AnyValue<'static>, Refused> {
        let map = object(value, "a value")?;
        if member(map, "stringValue").is_some() {
            return text(map, "stringValue").map(AnyValue::Text);
        }
        if let Some(value) = member(map, "boolValue") {
            return value.as_bool().map(AnyValue::Bool).ok_or_else(|| wrong("boolValue", "true or false"));
        }
        if let Some(value) = member(map, "intValue") {
            return whole(value, "intValue").map(AnyValue::Int);
        }
        if let Some(value) = member(map, "doubleValue") {
            return double(value, "doubleValue").map(AnyValue::Double);
        }
        if let Some(value) = member(map, "arrayValue") {
            let list = object(value, "arrayValue")?;
            return self.list(list, "values", |reader, value| reader.any(value)).map(AnyValue::Array);
        }
        if let Some(value) = member(map, "kvlistValue") {
            return self.attributes(object(value, "kvlistValue")?, "values").map(AnyValue::Map);
        }
        if member(map, "bytesValue").is_some() {
            let bytes = base64(&text(map, "bytesValue")?).ok_or_else(|| wrong("bytesValue", "base64"))?;
            return Ok(AnyValue::Bytes(Cow::Owned(bytes)));
        }
        Ok(AnyValue::Empty)
    }

    fn resource(&mut self, value: &Value) -> Result<ResourceMetrics<'static>, Refused> {
        let map = object(value, "resourceMetrics")?;
        let attributes = match member(map, "resource") {
            Some(resource) => self.attributes(object(resource, "resource")?, "attributes")?,
            None => Vec::new(),
        };
        Ok(ResourceMetrics { attributes, scopes: self.list(map, "scopeMetrics", Reader::scope)? })
    }

    fn scope(&mut self, value: &Value) -> Result<ScopeMetrics<'static>, Refused> {
        let map = object(value, "scopeMetrics")?;
        let mut scope = ScopeMetrics { schema_url: text(map, "schemaUrl")?, ..ScopeMetrics::default() };
        if let Some(said) = member(map, "scope") {
            let said = object(said, "scope")?;
            (scope.name, scope.version) = (text(said, "name")?, text(said, "version")?);
            scope.attributes = self.attributes(said, "attributes")?;
        }
        scope.metrics = self.list(map, "metrics", Reader::metric)?;
        Ok(scope)
    }

    fn metric(&mut self, value: &Value) -> Result<Metric<'static>, Refused> {
        let map = object(value, "metrics")?;
        let mut metric = Metric {
            name: text(map, "name")?,
            description: text(map, "description")?,
            unit: text(map, "unit")?,
            ..Metric::default()
        };
        for kind in ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] {
            let Some(data) = member(map, kind) else { continue };
            let data = object(data, kind)?;
            metric.temporality = match member(data, "aggregationTemporality") {
                Some(Value::String(name)) if name == "AGGREGATION_TEMPORALITY_DELTA" => Temporality::Delta,
                Some(Value::String(name)) if name == "AGGREGATION_TEMPORALITY_CUMULATIVE" => {
                    Temporality::Cumulative
                }
                Some(number) => Temporality::from_number(whole(number, "aggregationTemporality")?),
                None => Temporality::Unspecified,
            };
            let is_monotonic = member(data, "isMonotonic").and_then(Value::as_bool).unwrap_or(false);
            metric.data = match kind {
                "gauge" => Data::Gauge(self.list(data, "dataPoints", Reader::number_point)?),
                "sum" => Data::Sum(self.list(data, "dataPoints", Reader::number_point)?, is_monotonic),
                "histogram" => Data::Histogram(self.list(data, "dataPoints", Reader::histogram_point)?),
                "summary" => Data::Summary(self.list(data, "dataPoints", Reader::summary_point)?),
                _ => Data::Exponential(self.list(data, "dataPoints", Reader::exponential_point)?),
            };
        }
        Ok(metric)
    }

    fn point(&mut self, map: &Map<String, Value>) -> Result<Point<'static>, Refused> {
        Ok(Point {
            attributes: self.attributes(map, "attributes")?,
            start_ns: whole_or(map, "startTimeUnixNano")?,
            time_ns: whole_or(map, "timeUnixNano")?,
            is_missing: whole_or::<u32>(map, "flags")? & 1 != 0,
        })
    }

    fn exemplars(&mut self, map: &Map<String, Value>) -> Result<Vec<Exemplar<'static>>, Refused> {
        self.list(map, "exemplars", |reader, value| {
            let map = object(value, "exemplars")?;
            Ok(Exemplar {
                attributes: reader.attributes(map, "filteredAttributes")?,
                time_ns: whole_or(map, "timeUnixNano")?,
                value: number(map)?,
                trace_id: hex(map, "traceId")?,
                span_id: hex(map, "spanId")?,
            })
        })
    }

    fn number_point(&mut self, value: &Value) -> Result<NumberPoint<'static>, Refused> {
        let map = object(value, "dataPoints")?;
        Ok(NumberPoint { point: self.point(map)?, value: number(map)?, exemplars: self.exemplars(map)? })
    }

    fn counts(&mut self, map: &Map<String, Value>) -> Result<Vec<u64>, Refused> {
        self.list(map, "bucketCounts", |_, value| whole(value, "bucketCounts"))
    }

    fn histogram_point(&mut self, value: &Value) -> Result<HistogramPoint<'static>, Refused> {
        let map = object(value, "dataPoints")?;
        Ok(HistogramPoint {
            point: self.point(map)?,
            count: whole_or(map, "count")?,
            sum: member(map, "sum").map(|value| double(value, "sum")).transpose()?,
            buckets: self.counts(map)?,
            bounds: self.list(map, "explicitBounds", |_, value| double(value, "explicitBounds"))?,
            exemplars: self.exemplars(map)?,
        })
    }

    fn buckets(&mut self, map: &Map<String, Value>, name: &str) -> Result<Buckets, Refused> {
        let Some(value) = member(map, name) else { return Ok(Buckets::default()) };
        let map = object(value, name)?;
        Ok(Buckets { offset: whole_or(map, "offset")?, counts: self.counts(map)? })
    }

    fn exponential_point(&mut self, value: &Value) -> Result<ExponentialPoint<'static>, Refused> {
        let map = object(value, "dataPoints")?;
        Ok(ExponentialPoint {
            point: self.point(map)?,
            count: whole_or(map, "count")?,
            sum: member(map, "sum").map(|value| double(value, "sum")).transpose()?,
            scale: whole_or(map, "scale")?,
            zero_count: whole_or(map, "zeroCount")?,
            zero_threshold: double_or(map, "zeroThreshold")?,
            positive: self.buckets(map, "positive")?,
            negative: self.buckets(map, "negative")?,
            exemplars: self.exemplars(map)?,
        })
    }

    fn summary_point(&mut self, value: &Value) -> Result<SummaryPoint<'static>, Refused> {
        let map = object(value, "dataPoints")?;
        Ok(SummaryPoint {
            point: self.point(map)?,
            count: whole_or(map, "count")?,
            sum: double_or(map, "sum")?,
            quantiles: self.list(map, "quantileValues", |_, value| {
                let map = object(value, "quantileValues")?;
                Ok((double_or(map, "quantile")?, double_or(map, "value")?))
            })?,
        })
    }
}

fn number(map: &Map<String, Value>) -> Result<Number, Refused> {
    if let Some(value) = member(map, "asInt") {
        return whole(value, "asInt").map(Number::Int);
    }
    match member(map, "asDouble") {
        Some(value) => double(value, "asDouble").map(Number::Double),
        None => Ok(Number::None),
    }
}
