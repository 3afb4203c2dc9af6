//! The samples of one series of a result.

use super::SampleValue;
use super::value::{Cell, Cells, Steps};

/// Samples in time order. Those of a range query stay the columns they were computed as, so that a
/// result is held once: eight bytes a step.
#[derive(Clone, Debug)]
pub struct Points(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Steps(Steps, Cells),
    Listed(Vec<(i64, SampleValue)>),
}

impl Points {
    pub(crate) fn at_steps(steps: Steps, cells: Cells) -> Self {
        Points(Kind::Steps(steps, cells))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Steps(_, cells) => (0..cells.values.len()).filter(|step| cells.is_present(*step)).count(),
            Kind::Listed(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Kind::Steps(_, cells) => !cells.any_present(),
            Kind::Listed(list) => list.is_empty(),
        }
    }

    /// The floats of a row of a range query: the time of the first step and the distance to the next in
    /// milliseconds, and a value a step, which is the staleness marker where there is no sample. `None` if there
    /// are histograms, or if these are no steps.
    pub fn float_row(&self) -> Option<(i64, i64, &[f64])> {
        match &self.0 {
            Kind::Steps(steps, cells) if cells.histograms.is_empty() => {
                Some((steps.start_ms, steps.step_ms, &cells.values))
            }
            _ => None,
        }
    }

    /// Times in milliseconds since the epoch, and values.
    pub fn iter(&self) -> PointsIter<'_> {
        PointsIter { points: self, at: 0 }
    }
}

impl From<Vec<(i64, SampleValue)>> for Points {
    fn from(list: Vec<(i64, SampleValue)>) -> Self {
        Points(Kind::Listed(list))
    }
}

impl PartialEq for Points {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> IntoIterator for &'a Points {
    type Item = (i64, SampleValue);
    type IntoIter = PointsIter<'a>;

    fn into_iter(self) -> PointsIter<'a> {
        self.iter()
    }
}

/// See [`Points::iter`].
#[derive(Clone, Debug)]
pub struct PointsIter<'a> {
    points: &'a Points,
    at: usize,
}

impl Iterator for PointsIter<'_> {
    type Item = (i64, SampleValue);

    fn next(&mut self) -> Option<Self::Item> {
        match &self.points.0 {
            Kind::Listed(list) => {
                let point = list.get(self.at)?.clone();
                self.at += 1;
                Some(point)
            }
            Kind::Steps(steps, cells) => loop {
                let step = self.at;
                if step >= cells.values.len() {
                    return None;
                }
                self.at += 1;
                match cells.get(step) {
                    Cell::Absent => {}
                    Cell::Float(value) => return Some((steps.time_ms(step), SampleValue::Float(value))),
                    Cell::Histogram(histogram) => {
                        return Some((steps.time_ms(step), SampleValue::Histogram(histogram)));
                    }
                }
            },
        }
    }
}
