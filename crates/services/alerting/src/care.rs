//! Our own settings of alerting: what Alertmanager does not have. They stand under `promontory` in
//! the same file; everything outside that key is read as strictly as ever.
//!
//! ```yaml
//! promontory:
//!   fallback_receiver: mail              # told what another receiver could not be told
//!   escalations:
//!   - matchers: [severity="critical"]    # alerts that nobody has acknowledged ...
//!     after: 15m                         # ... after this time are also told to
//!     receiver: boss
//!   flapping: {changes: 6, within: 10m}  # told once as flapping, then muted until calm
//!   silences:
//!     confirm_from_percent: 90           # of the alerts that fire; 0 for never
//!     remind_before: 1h                  # raises the alert SilenceEndsSoon
//! ```

use std::collections::BTreeSet;

use config::{Error, Node, Position, Result};
use model::Matcher;

use crate::matchers::MatcherMode;
use crate::route::matcher_list;

/// The settings. See the module.
#[derive(Clone, Debug)]
pub struct Care {
    /// Who is told what an integration could not be told in its whole time.
    pub fallback_receiver: Option<String>,
    /// Who is also told of what nobody acknowledges.
    pub escalations: Vec<Escalation>,
    /// When an alert counts as flapping; never if not given.
    pub flapping: Option<Flapping>,
    /// From what share of the alerts that fire on, in percent, a new silence that matches them must
    /// be confirmed; 0 for never.
    pub confirm_from_percent: u32,
    /// How long before a silence ends an alert reminds of that; never if not given.
    pub remind_before_ms: Option<i64>,
    position: Position,
}

impl Default for Care {
    fn default() -> Self {
        Care {
            fallback_receiver: None,
            escalations: Vec::new(),
            flapping: None,
            confirm_from_percent: 90,
            remind_before_ms: None,
            position: Position::default(),
        }
    }
}

/// Who is also told of alerts that nobody acknowledges.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// Which alerts; all if empty.
    pub matchers: Vec<Matcher>,
    /// How long an alert must have been firing.
    pub after_ms: i64,
    /// Who.
    pub receiver: String,
}

/// When an alert counts as flapping: it began or ended more than `changes` times within a time. It
/// counts as calm again when it did not for as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// How often it may begin or end.
    pub changes: usize,
    /// Within what time.
    pub within_ms: i64,
}

/// More changes than this are not counted.
const CHANGES_MAX: i64 = 1_000;

impl Care {
    /// Decodes the section.
    pub fn decode(node: &Node, mode: MatcherMode, warn: &mut dyn FnMut(Error)) -> Result<Care> {
        let mut fields = node.fields("promontory")?;
        let mut care = Care { position: node.position, ..Care::default() };
        care.fallback_receiver = fields.optional("fallback_receiver", Node::string)?;
        care.escalations = fields.or("escalations", Vec::new(), |list| {
            list.list(|node| {
                let mut fields = node.fields("promontory.escalation")?;
                let escalation = Escalation {
                    matchers: matcher_list(fields.take("matchers"), mode, warn)?,
                    after_ms: fields.or("after", 0, Node::duration_ms)?,
                    receiver: fields.or("receiver", String::new(), Node::string)?,
                };
                if escalation.receiver.is_empty() || escalation.after_ms == 0 {
                    return Err(
                        fields.error("an escalation needs a receiver and a time after which it is told")
                    );
                }
                fields.finish()?;
                Ok(escalation)
            })
        })?;
        care.flapping = fields.optional("flapping", |node| {
            let mut fields = node.fields("promontory.flapping")?;
            let changes = fields.or("changes", 6, Node::integer)?;
            let within_ms = fields.or("within", 600_000, Node::duration_ms)?;
            if !(2..=CHANGES_MAX).contains(&changes) || within_ms == 0 {
                return Err(fields.error(format!(
                    "flapping needs from 2 to {CHANGES_MAX} changes within a time that is not zero"
                )));
            }
            fields.finish()?;
            Ok(Flapping { changes: changes as usize, within_ms })
        })?;
        if let Some(node) = fields.take("silences").filter(|node| !node.is_null()) {
            let mut fields = node.fields("promontory.silences")?;
            let percent = fields.or("confirm_from_percent", 90, Node::integer)?;
            if !(0..=100).contains(&percent) {
                return Err(fields.error("confirm_from_percent is from 0 to 100"));
            }
            care.confirm_from_percent = percent as u32;
            care.remind_before_ms =
                fields.optional("remind_before", Node::duration_ms)?.filter(|before_ms| *before_ms > 0);
            fields.finish()?;
        }
        fields.finish()?;
        Ok(care)
    }

    /// Whether the receivers it names exist.
    pub fn check(&self, receivers: &BTreeSet<&str>) -> Result<()> {
        let named = self.escalations.iter().map(|escalation| &escalation.receiver);
        match self.fallback_receiver.iter().chain(named).find(|name| !receivers.contains(name.as_str())) {
            Some(name) => {
                Err(Error::at(self.position, format!("undefined receiver {name:?} used in promontory")))
            }
            None => Ok(()),
        }
    }
}
