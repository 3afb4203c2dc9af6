//! Asking the trail.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;

use model::{Labels, Matcher};

use super::event::Step;
use super::segment::{Read, Reader};
use super::store::{self, Segment};
use super::{Shared, Trail, TrailError};

/// Rows of a page at most.
pub const ROWS_MAX: usize = 50_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// From when on, milliseconds since the epoch.
    pub start_ms: i64,
    /// Until when, inclusive.
    pub end_ms: i64,
    /// Of which alerts.
    pub selected: Selected,
    /// How many rows at most; an export knows no limit.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// Whether the last events come first.
    pub newest_first: bool,
}

/// Which alerts.
#[derive(Clone, Debug)]
pub enum Selected {
    /// All.
    All,
    /// The one with this fingerprint.
    Fingerprint(u64),
    /// Those that meet all matchers of some list.
    Matchers(Vec<Vec<Matcher>>),
}

/// A place in the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    segment: u64,
    event: u64,
    member: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.segment, self.event, self.member)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Cursor, String> {
        let mut parts = text.splitn(3, '-').map(str::parse::<u64>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(segment)), Some(Ok(event)), Some(Ok(member))) => Ok(Cursor { segment, event, member }),
            _ => Err(format!("not a place in the trail: {text:?}")),
        }
    }
}

/// Something that happened to one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place.
    pub cursor: Cursor,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// The alert's labels; none if events are missing.
    pub labels: Labels,
    /// Their fingerprint.
    pub fingerprint: u64,
    /// How many alerts it happened to together.
    pub together: usize,
    /// What.
    pub step: Step,
}

/// Some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In the order that was asked for.
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Trail {
    /// One page of what was noted, all that waits included. Blocks.
    pub fn query(&self, query: &Query) -> Result<Page, TrailError> {
        let limit = query.limit.clamp(1, ROWS_MAX);
        let mut page = Page::default();
        self.scan(query, Some(limit + 1), &mut |row| {
            if page.rows.len() == limit {
                page.next = page.rows.last().map(|row| row.cursor);
                return ControlFlow::Break(());
            }
            page.rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// Hands on everything that is asked for, row by row, until `each` breaks off. Blocks.
    pub fn export(
        &self,
        query: &Query,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), TrailError> {
        self.scan(query, None, each)
    }

    fn scan(
        &self,
        query: &Query,
        at_most: Option<usize>,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), TrailError> {
        let Some(shared) = &self.0 else { return Ok(()) };
        shared.write_down();
        let mut segments = shared.store.lock().segments();
        segments.retain(|segment| {
            segment.times.overlaps(query.start_ms, query.end_ms)
                && query.after.is_none_or(|cursor| match query.newest_first {
                    false => segment.number >= cursor.segment,
                    true => segment.number <= cursor.segment,
                })
        });
        if query.newest_first {
            segments.reverse();
        }
        let mut left = at_most;
        for segment in &segments {
            let done = if query.newest_first {
                // They stand in the order in which they happened: the last ones are kept, and those before
                // them are looked for again, so that no more than a page is held.
                let mut part = query.clone();
                loop {
                    let kept_max = left.unwrap_or(ROWS_MAX);
                    let mut rows: VecDeque<Row> = VecDeque::new();
                    let mut has_more = false;
                    let _ = scan_segment(shared, segment, &part, &mut |row| {
                        if rows.len() == kept_max {
                            has_more = true;
                            rows.pop_front();
                        }
                        rows.push_back(row);
                        ControlFlow::Continue(())
                    })?;
                    left = left.map(|left| left - rows.len().min(left));
                    part.after = rows.front().map(|row| row.cursor);
                    if rows.into_iter().rev().try_for_each(&mut *each).is_break() || left == Some(0) {
                        break true;
                    }
                    if !has_more {
                        break false;
                    }
                }
            } else {
                scan_segment(shared, segment, query, each)?.is_break()
            };
            if done {
                break;
            }
        }
        Ok(())
    }
}

fn scan_segment(
    shared: &Arc<Shared>,
    segment: &Segment,
    query: &Query,
    each: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, TrailError> {
    let mut flow = ControlFlow::Continue(());
    let mut number = 0;
    // Of each alert of the segment, whether it is asked for.
    let mut wanted: Vec<bool> = Vec::new();
    let fingerprint = match query.selected {
        Selected::Fingerprint(fingerprint) => Some(fingerprint),
        _ => None,
    };
    store::read(&shared.dir, segment, fingerprint, |reader, event| {
        number += 1;
        if event.at_ms < query.start_ms || event.at_ms > query.end_ms {
            return true;
        }
        let known = wanted.len();
        wanted.extend(reader.alerts.iter().skip(known).map(|alert| {
            match &query.selected {
                Selected::All => true,
                Selected::Fingerprint(fingerprint) => alert.fingerprint == *fingerprint,
                Selected::Matchers(lists) => lists
                    .iter()
                    .any(|matchers| matchers.iter().all(|matcher| matcher.matches_labels(&alert.labels))),
            }
        }));
        flow = rows_of(reader, &event, segment.number, number, &wanted, query, each);
        flow.is_continue()
    })?;
    Ok(flow)
}

fn rows_of(
    reader: &Reader,
    event: &Read,
    segment: u64,
    number: u64,
    wanted: &[bool],
    query: &Query,
    each: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let is_wanted = |at: &usize| wanted.get(*at).copied().unwrap_or(false);
    // That events are missing concerns everybody.
    let concerns_all = event.alerts.is_empty();
    if !concerns_all && !event.alerts.iter().any(is_wanted) {
        return ControlFlow::Continue(());
    }
    let Some(step) = event.step() else { return ControlFlow::Continue(()) };
    let mut hand_on = |member: usize, labels: &Labels, fingerprint: u64| {
        let cursor = Cursor { segment, event: number, member: member as u64 };
        let is_before = query.after.is_some_and(|after| match query.newest_first {
            false => cursor <= after,
            true => cursor >= after,
        });
        if is_before {
            return ControlFlow::Continue(());
        }
        let labels = labels.clone();
        let together = event.alerts.len();
        each(Row { cursor, at_ms: event.at_ms, labels, fingerprint, together, step: step.clone() })
    };
    if concerns_all {
        return hand_on(0, &Labels::empty(), 0);
    }
    for (member, at) in event.alerts.iter().enumerate().filter(|(_, at)| is_wanted(at)) {
        if let Some(alert) = reader.alerts.get(*at) {
            hand_on(member, &alert.labels, alert.fingerprint)?;
        }
    }
    ControlFlow::Continue(())
}
