//! Which label of which job costs what: what the store counts, as the API shows it.

use model::Matcher;
use model::storage::StorageError;
use query::sources::{CardinalityView, CountView, JobView, LabelView};
use tsdb::{Db, LabelCardinality};

/// What the series of the head that match are made of; all of them if there are no matchers.
pub(crate) fn of(db: &Db, matchers: &[Matcher], limit: usize) -> Result<CardinalityView, StorageError> {
    let found = db.cardinality_of(matchers, limit)?;
    let jobs = db.groups_among(matchers, limit)?.into_iter().map(|group| JobView {
        job: group.name,
        series: group.series,
        series_before: group.before.map(|(_, series)| series),
        seconds_before: group.before.map(|(ago_ms, _)| ago_ms as f64 / 1e3),
        refused: group.refused,
    });
    Ok(CardinalityView {
        series: found.series,
        jobs: jobs.collect(),
        labels: found.labels.into_iter().map(label_view).collect(),
    })
}

fn label_view(label: LabelCardinality) -> LabelView {
    LabelView {
        name: label.name,
        values: label.values,
        series: label.series,
        bytes: label.size_bytes,
        series_without: label.series_without,
        top: label.top_values.into_iter().map(|(name, value)| CountView { name, value }).collect(),
    }
}
