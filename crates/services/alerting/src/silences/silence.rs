//! One silence.

use std::collections::BTreeMap;

use config::Node;
use model::labels::Quoted;
use model::{Labels, MatchOp, Matcher};

use crate::MatcherMode;
use crate::matchers::all_match;
use crate::timeinterval::{TimeInterval, any_contains_ms};

/// The annotation that makes a silence recur: a list of time intervals in YAML or JSON, as
/// `time_intervals` of a configuration has them. Within its start and end it then silences only in
/// these. As an annotation it passes through tools that know nothing of it.
pub const RECURS: &str = "promontory/time_intervals";

/// Why a silence was not made or changed. The texts are Alertmanager's, since tools show them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none with this id.
    #[error("silence not found")]
    NotFound,
    /// It cannot be so.
    #[error("invalid silence: {0}")]
    Invalid(String),
    /// Its times cannot be so.
    #[error("Failed to create silence: {0}")]
    Times(&'static str),
    /// There are too many.
    #[error("exceeded maximum number of silences: {count} (limit: {max})")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// It is too large.
    #[error("silence exceeded maximum size: {size_bytes} bytes (limit: {max_bytes} bytes)")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The largest there may be.
        max_bytes: usize,
    },
    /// It would silence almost everything; only ours.
    #[error(
        "this would silence {matched} of the {firing} alerts that fire now; confirm it with force=true, or choose narrower matchers"
    )]
    TooBroad {
        /// Alerts that fire and that it matches.
        matched: usize,
        /// Alerts that fire.
        firing: usize,
    },
    /// The service is ending.
    #[error("the service is stopping")]
    Stopping,
}

impl base::Classify for SilenceError {
    fn class(&self) -> base::ErrorClass {
        match self {
            SilenceError::NotFound => base::ErrorClass::NotFound,
            SilenceError::Stopping => base::ErrorClass::Unavailable,
            _ => base::ErrorClass::BadInput,
        }
    }
}

/// How a silence stands, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SilenceState {
    /// Its time is now.
    Active,
    /// It has not begun.
    Pending,
    /// It has ended.
    Expired,
}

impl SilenceState {
    /// The word APIs have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            SilenceState::Active => "active",
            SilenceState::Pending => "pending",
            SilenceState::Expired => "expired",
        }
    }
}

/// A matcher as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherText {
    /// The label's name.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// The value or expression.
    pub value: String,
}

impl From<&Matcher> for MatcherText {
    fn from(matcher: &Matcher) -> Self {
        MatcherText { name: matcher.name.clone(), op: matcher.op, value: matcher.value.clone() }
    }
}

/// A silence as somebody asks for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The silence to change; empty for a new one.
    pub id: String,
    /// Sets of matchers; one must hold as a whole. The API has one set.
    pub matcher_sets: Vec<Vec<MatcherText>>,
    /// From when on; `None` or 0 for now.
    pub starts_at_ms: Option<i64>,
    /// Until when.
    pub ends_at_ms: Option<i64>,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else there is to say.
    pub annotations: BTreeMap<String, String>,
}

/// Times within which a recurring silence silences.
#[derive(Clone, Debug)]
pub struct Recurrence(Vec<TimeInterval>);

impl Recurrence {
    /// Reads a list of time intervals, or one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let decode = || {
            let node = Node::parse(text)?;
            match &node.value {
                config::yaml::Value::Sequence(_) => node.list(TimeInterval::decode),
                _ => Ok(vec![TimeInterval::decode(&node)?]),
            }
        };
        match decode() {
            Ok(intervals) if intervals.is_empty() => Err("no time interval is given".into()),
            Ok(intervals) => Ok(Recurrence(intervals)),
            Err(error) => Err(error.message),
        }
    }
}

/// A silence.
#[derive(Clone, Debug)]
pub struct Silence {
    /// What it is known by.
    pub id: String,
    /// Sets of matchers; it matches an alert if one set holds as a whole.
    pub matcher_sets: Vec<Vec<Matcher>>,
    /// When it begins.
    pub starts_at_ms: i64,
    /// When it ends.
    pub ends_at_ms: i64,
    /// When it was changed last.
    pub updated_at_ms: i64,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else there is to say.
    pub annotations: BTreeMap<String, String>,
    /// From [`RECURS`].
    pub recurrence: Option<Recurrence>,
}

impl PartialEq for Silence {
    fn eq(&self, other: &Self) -> bool {
        let times = |silence: &Silence| (silence.starts_at_ms, silence.ends_at_ms, silence.updated_at_ms);
        self.id == other.id
            && self.matcher_sets == other.matcher_sets
            && times(self) == times(other)
            && self.created_by == other.created_by
            && self.comment == other.comment
            && self.annotations == other.annotations
    }
}

impl Draft {
    pub(super) fn into_silence(self, mode: MatcherMode, now_ms: i64) -> Result<Silence, SilenceError> {
        let starts_at_ms = self.starts_at_ms.filter(|at| *at != 0);
        let ends_at_ms = self.ends_at_ms.unwrap_or(0);
        if starts_at_ms.unwrap_or(i64::MIN) >= ends_at_ms {
            return Err(SilenceError::Times("start time must be before end time"));
        }
        if ends_at_ms < now_ms {
            return Err(SilenceError::Times("end time can't be in the past"));
        }
        if self.matcher_sets.is_empty() {
            return Err(SilenceError::Invalid("at least one matcher set required".into()));
        }
        let mut matcher_sets = Vec::with_capacity(self.matcher_sets.len());
        for (number, set) in self.matcher_sets.into_iter().enumerate() {
            matcher_sets.push(compile(number, set, mode).map_err(SilenceError::Invalid)?);
        }
        let mut silence = Silence {
            id: self.id,
            matcher_sets,
            starts_at_ms: starts_at_ms.unwrap_or(now_ms),
            ends_at_ms,
            updated_at_ms: now_ms,
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations,
            recurrence: None,
        };
        silence.recurrence = silence
            .recurs()
            .map_err(|message| SilenceError::Invalid(format!("annotation {}: {message}", Quoted(RECURS))))?;
        Ok(silence)
    }
}

fn compile(number: usize, set: Vec<MatcherText>, mode: MatcherMode) -> Result<Vec<Matcher>, String> {
    if set.is_empty() {
        return Err(format!("matcher set {number} is empty"));
    }
    let mut matchers = Vec::with_capacity(set.len());
    for (at, text) in set.into_iter().enumerate() {
        let bad = |what: String| format!("invalid label matcher {at} in set {number}: {what}");
        if !mode.is_valid_label_name(&text.name) {
            return Err(bad(format!("invalid label name {}", Quoted(&text.name))));
        }
        let pattern = Quoted(&text.value).to_string();
        let matcher = Matcher::new(text.op, text.name, text.value)
            .map_err(|error| bad(format!("invalid regular expression {pattern}: {error}")))?;
        matchers.push(matcher);
    }
    let asks_nothing = |matcher: &Matcher| !matcher.op.is_negative() && matcher.matches_empty();
    if matchers.iter().all(asks_nothing) {
        return Err(format!("matcher set {number}: at least one matcher must not match the empty string"));
    }
    Ok(matchers)
}

impl Silence {
    /// How it stands at a moment.
    pub fn state_at(&self, now_ms: i64) -> SilenceState {
        if now_ms < self.starts_at_ms {
            SilenceState::Pending
        } else if now_ms >= self.ends_at_ms {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    /// Whether it silences at a moment: it is active and, if it recurs, its time has come.
    pub fn is_in_force_at(&self, now_ms: i64) -> bool {
        self.state_at(now_ms) == SilenceState::Active
            && self.recurrence.as_ref().is_none_or(|times| any_contains_ms(&times.0, now_ms))
    }

    /// Whether it is about an alert with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matcher_sets.iter().any(|set| all_match(set, labels))
    }

    /// Whether one of its sets has each of these matchers, word for word.
    pub fn has_matchers(&self, matchers: &[Matcher]) -> bool {
        self.matcher_sets.iter().any(|set| matchers.iter().all(|matcher| set.contains(matcher)))
    }

    /// Reads when it recurs from its annotations.
    pub fn recurs(&self) -> Result<Option<Recurrence>, String> {
        self.annotations.get(RECURS).map(|text| Recurrence::parse(text)).transpose()
    }

    /// Whether it can be changed to this one without altering what was silenced in the past.
    pub(super) fn can_become(&self, new: &Silence, now_ms: i64) -> bool {
        let same_second = |a: i64, b: i64| a.div_euclid(1_000) == b.div_euclid(1_000);
        self.matcher_sets == new.matcher_sets
            && match self.state_at(now_ms) {
                SilenceState::Active => {
                    same_second(self.starts_at_ms, new.starts_at_ms) && new.ends_at_ms >= now_ms
                }
                SilenceState::Pending => new.starts_at_ms >= now_ms,
                SilenceState::Expired => false,
            }
    }

    /// The size it has in Alertmanager's snapshot, a protobuf message, which its limit is about.
    pub fn stored_size_bytes(&self, retention_ms: i64) -> usize {
        let field = |size: usize| 1 + varint_size(size as u64) + size;
        let text = |text: &str| if text.is_empty() { 0 } else { field(text.len()) };
        let time = |at_ms: i64| {
            let (seconds, nanos) = (at_ms.div_euclid(1_000), at_ms.rem_euclid(1_000) * 1_000_000);
            let number = |value: i64| if value == 0 { 0 } else { 1 + varint_size(value as u64) };
            field(number(seconds) + number(nanos))
        };
        let matcher = |matcher: &Matcher| {
            let kind = if matcher.op == MatchOp::Equal { 0 } else { 2 };
            field(kind + text(&matcher.name) + text(&matcher.value))
        };
        let sets: usize =
            self.matcher_sets.iter().map(|set| field(set.iter().map(matcher).sum::<usize>())).sum();
        let annotations: usize =
            self.annotations.iter().map(|(name, value)| field(field(name.len()) + field(value.len()))).sum();
        let silence = text(&self.id)
            + sets
            + time(self.starts_at_ms)
            + time(self.ends_at_ms)
            + time(self.updated_at_ms)
            + text(&self.created_by)
            + text(&self.comment)
            + annotations;
        field(silence) + time(self.ends_at_ms.saturating_add(retention_ms))
    }
}

fn varint_size(value: u64) -> usize {
    (64 - value.max(1).leading_zeros() as usize).div_ceil(7)
}
