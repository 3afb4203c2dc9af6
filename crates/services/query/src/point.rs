//! Points as JSON: `[TIME,"VALUE"]`. A large answer is little else, so a row of floats is written into room that
//! is there already, by copies of fixed length where the text is shorter than its room.

use gocompat::float;
use model::sample::is_stale_nan;

/// More than a point takes: a time of [`TIME_MAX_BYTES`], a number of at most 24 or one that is written apart.
const POINT_MAX_BYTES: usize = 96;
/// Comma, bracket, sign, 16 digits, point, 3 digits, comma, quote.
const TIME_MAX_BYTES: usize = 31;
/// Points that room is made for at once.
const POINTS_AT_ONCE: usize = 128;
/// Steps of a query whose texts are kept: all that the API allows.
const STEPS_KEPT: usize = 11_002;

/// The texts of a range query's steps: each is written once, for all series.
pub(crate) struct Times {
    start_ms: i64,
    step_ms: i64,
    /// `,[TIME,"` of each step so far.
    texts: Vec<TimeText>,
}

#[derive(Clone, Copy)]
struct TimeText {
    text: [u8; TIME_MAX_BYTES],
    length: u8,
}

impl Times {
    /// For steps from a time on, so many milliseconds apart; 0 for a single one.
    pub(crate) fn new((start_ms, step_ms): (i64, i64)) -> Times {
        Times { start_ms, step_ms, texts: Vec::new() }
    }

    fn prepare(&mut self, steps: usize) {
        while self.texts.len() < steps {
            let time_ms = self.start_ms.saturating_add(self.step_ms.saturating_mul(self.texts.len() as i64));
            let mut out = Vec::with_capacity(TIME_MAX_BYTES);
            out.extend_from_slice(b",[");
            write_time(&mut out, time_ms);
            out.extend_from_slice(b",\"");
            let mut text = [0; TIME_MAX_BYTES];
            let length = out.len().min(TIME_MAX_BYTES);
            text[..length].copy_from_slice(&out[..length]);
            self.texts.push(TimeText { text, length: length as u8 });
        }
    }

    /// Writes the floats of a row whose steps these are, `[` and `]` around them; `None` if they are others. Gives
    /// whether there was a point; without one nothing is written.
    pub(crate) fn write_row(
        &mut self,
        out: &mut Vec<u8>,
        before: &[u8],
        (start_ms, step_ms, values): (i64, i64, &[f64]),
    ) -> Option<bool> {
        if (start_ms, step_ms) != (self.start_ms, self.step_ms) || values.len() > STEPS_KEPT {
            return None;
        }
        self.prepare(values.len());
        let begin = out.len();
        out.extend_from_slice(before);
        let first = out.len();
        let mut at = first;
        for (values, times) in values.chunks(POINTS_AT_ONCE).zip(self.texts.chunks(POINTS_AT_ONCE)) {
            out.resize(at + values.len() * POINT_MAX_BYTES, 0);
            for (value, time) in values.iter().zip(times) {
                if is_stale_nan(*value) {
                    continue;
                }
                // Each point has room for the longest one, so that this never fails.
                let Some(room) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { break };
                at += write_into(room, time, *value);
            }
        }
        if at == first {
            out.truncate(begin);
            return Some(false);
        }
        out.truncate(at);
        // In place of the comma of the first point.
        if let Some(comma) = out.get_mut(first) {
            *comma = b'[';
        }
        out.push(b']');
        Some(true)
    }
}

/// Writes a point at the beginning of its room; gives its length.
#[inline(always)]
fn write_into(room: &mut [u8; POINT_MAX_BYTES], time: &TimeText, value: f64) -> usize {
    room[..TIME_MAX_BYTES].copy_from_slice(&time.text);
    let mut at = usize::from(time.length);
    let mut put = |text: &[u8]| {
        // Two copies of eight or sixteen bytes that overlap are faster than one of any length.
        let length = text.len();
        if let (Some(head), Some(tail)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            room[at..at + 16].copy_from_slice(head);
            room[at + length - 16..at + length].copy_from_slice(tail);
        } else if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            room[at..at + 8].copy_from_slice(head);
            room[at + length - 8..at + length].copy_from_slice(tail);
        } else {
            room[at..at + length].copy_from_slice(text);
        }
        at += length;
    };
    float::with_sample(value, &mut put);
    put(b"\"]");
    at
}

/// Writes one point of any time.
pub(crate) fn write_point(out: &mut Vec<u8>, time_ms: i64, value: f64) {
    out.push(b'[');
    write_time(out, time_ms);
    out.extend_from_slice(b",\"");
    float::push_sample(out, value);
    out.extend_from_slice(b"\"]");
}

/// Milliseconds as seconds with at most three decimals.
pub(crate) fn write_time(out: &mut Vec<u8>, time_ms: i64) {
    if time_ms < 0 {
        out.push(b'-');
    }
    let ms = time_ms.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(ms / 1000).as_bytes());
    let rest = ms % 1000;
    if rest != 0 {
        let digit = |of: u64| b'0' + (rest / of % 10) as u8;
        out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::sample::stale_nan;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_at_most_three_decimals() {
        for (ms, expected) in
            [(0, "0"), (1_435_781_451_781, "1435781451.781"), (1_000, "1"), (-1_500, "-1.500"), (10, "0.010")]
        {
            assert_eq!(text(|out| write_time(out, ms)), expected);
        }
    }

    #[test]
    fn a_row_is_its_points() {
        let special = [
            0.0,
            -0.0,
            1.0,
            -12_345_678.0,
            9_007_199_254_740_991.0,
            0.1,
            -2.225_073_858_507_201_4e-308,
            -1.797_693_134_862_315_7e308,
            123_456.789_012_345_67,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            stale_nan(),
        ];
        for start_ms in [-1_500, 0, 1_435_781_451_781, i64::MAX - 9_000_000, i64::MIN] {
            for length in [0, 1, 5, 127, 128, 129, 1_000] {
                let values: Vec<f64> = (0..length).map(|at| special[at * 5 % special.len()]).collect();
                let points: Vec<String> = values
                    .iter()
                    .enumerate()
                    .filter(|(_, value)| !is_stale_nan(**value))
                    .map(|(at, value)| text(|out| write_point(out, start_ms + at as i64 * 500, *value)))
                    .collect();
                let expected = match points.is_empty() {
                    true => String::new(),
                    false => format!("x[{}]", points.join(",")),
                };
                let mut times = Times::new((start_ms, 500));
                let row = text(|out| {
                    assert_eq!(
                        times.write_row(out, b"x", (start_ms, 500, &values)),
                        Some(!points.is_empty())
                    );
                });
                assert_eq!(row, expected);
            }
        }
        assert_eq!(Times::new((0, 500)).write_row(&mut Vec::new(), b"", (0, 501, &[1.0])), None);
    }

    #[test]
    fn a_row_without_a_sample_leaves_nothing() {
        let row = text(|out| {
            let absent = [stale_nan(); 3];
            assert_eq!(Times::new((0, 1)).write_row(out, b"x", (0, 1, &absent)), Some(false));
        });
        assert_eq!(row, "");
    }
}
