//! The flags of a Prometheus in agent mode: it scrapes and sends on, and keeps no store that can be asked.

use std::path::PathBuf;

use base::units::parse_duration_ms;
use clap::{ArgAction, Args};
use roles::Settings;
use roles::settings::AgentSettings;

/// Flags that only a server has.
const SERVER_ONLY: [&str; 4] = ["--storage.tsdb.", "--query.", "--rules.", "--alertmanager."];
const SERVER_ONLY_REMOTE: &str = "--storage.remote.read-";
/// Flags that only an agent has.
const AGENT_ONLY: &str = "--storage.agent.";

/// Flags of agent mode.
#[derive(Args)]
pub(crate) struct AgentFlags {
    /// Scrape and send on, without a store that can be asked
    #[arg(long = "agent", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    agent: bool,
    /// The data directory of an agent
    #[arg(long = "storage.agent.path", default_value = "data-agent/", value_name = "DIR")]
    agent_path: PathBuf,
    /// How often what was sent is removed from an agent's log
    #[arg(long = "storage.agent.wal-truncate-frequency", default_value = "2h", value_name = "DURATION")]
    truncate_frequency: String,
    /// Samples of an agent are kept at least this long
    #[arg(long = "storage.agent.retention.min-time", default_value = "5m", value_name = "DURATION")]
    retention_min_time: String,
    /// Samples of an agent are given up after this time, sent or not
    #[arg(long = "storage.agent.retention.max-time", default_value = "4h", value_name = "DURATION")]
    retention_max_time: String,
    #[arg(long = "storage.agent.wal-compression", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    agent_wal_compression: Option<String>,
    #[arg(long = "storage.agent.wal-compression-type", hide = true)]
    agent_wal_compression_type: Option<String>,
    #[arg(long = "storage.agent.wal-segment-size", hide = true)]
    agent_wal_segment_size: Option<String>,
    #[arg(long = "storage.agent.no-lockfile", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    agent_no_lockfile: Option<String>,
    #[arg(long = "storage.agent.checkpoint-from-in-memory-series", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    checkpoint_from_memory: Option<String>,
    #[arg(long = "storage.agent.checkpoint-batch-size", hide = true)]
    checkpoint_batch_size: Option<String>,
}

impl AgentFlags {
    /// Makes the settings what the flags say. `given` are the flags of the command line.
    pub(crate) fn apply(&self, given: &[String], settings: &mut Settings) -> Result<(), String> {
        let named = |is: &dyn Fn(&str) -> bool| {
            let names =
                given.iter().map(|flag| flag.split('=').next().unwrap_or(flag)).filter(|flag| is(flag));
            names.map(|flag| format!("{:?}", flag.trim_start_matches('-'))).collect::<Vec<_>>().join(" ")
        };
        if !self.agent {
            let wrong = named(&|flag| flag.starts_with(AGENT_ONLY));
            return match wrong.is_empty() {
                true => Ok(()),
                false => Err(format!("The following flag(s) can only be used in agent mode: [{wrong}]")),
            };
        }
        let wrong = named(&|flag| {
            flag.starts_with(SERVER_ONLY_REMOTE) || SERVER_ONLY.iter().any(|prefix| flag.starts_with(prefix))
        });
        if !wrong.is_empty() {
            return Err(format!("The following flag(s) can not be used in agent mode: [{wrong}]"));
        }
        let ms = |name: &str, text: &str| {
            parse_duration_ms(text).map_err(|error| format!("--storage.agent.{name}: {error}"))
        };
        settings.data_dir.clone_from(&self.agent_path);
        settings.agent = Some(AgentSettings {
            truncate_interval_ms: ms("wal-truncate-frequency", &self.truncate_frequency)?,
            retention_min_ms: ms("retention.min-time", &self.retention_min_time)?,
            retention_max_ms: ms("retention.max-time", &self.retention_max_time)?,
        });
        for (name, value) in [
            ("wal-compression", &self.agent_wal_compression),
            ("wal-compression-type", &self.agent_wal_compression_type),
            ("wal-segment-size", &self.agent_wal_segment_size),
            ("checkpoint-from-in-memory-series", &self.checkpoint_from_memory),
            ("checkpoint-batch-size", &self.checkpoint_batch_size),
            ("no-lockfile", &self.agent_no_lockfile),
        ] {
            if value.is_some() {
                settings
                    .notes
                    .push(format!("--storage.agent.{name} is not acted on: the log here is another one"));
            }
        }
        Ok(())
    }

    /// The flags as they are shown.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        if !self.agent {
            return vec![("agent", "false".into())];
        }
        vec![
            ("agent", "true".into()),
            ("storage.agent.path", self.agent_path.display().to_string()),
            ("storage.agent.wal-truncate-frequency", self.truncate_frequency.clone()),
            ("storage.agent.retention.min-time", self.retention_min_time.clone()),
            ("storage.agent.retention.max-time", self.retention_max_time.clone()),
        ]
    }
}
