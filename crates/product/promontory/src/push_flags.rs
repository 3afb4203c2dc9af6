//! The flags of a Prometheus server that say what may be pushed to it.

use clap::{ArgAction, Args};
use roles::{PushSettings, Settings, WriteMessage};

/// Flags of what is pushed.
#[derive(Args)]
pub(crate) struct PushFlags {
    /// Take samples at /api/v1/write
    #[arg(long = "web.enable-remote-write-receiver", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    enable_remote_write_receiver: bool,
    /// Take OpenTelemetry's metrics at /api/v1/otlp/v1/metrics
    #[arg(long = "web.enable-otlp-receiver", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    enable_otlp_receiver: bool,
    /// Messages of remote write that are taken, separated by commas: prometheus.WriteRequest,
    /// io.prometheus.write.v2.Request [default: both]
    #[arg(
        long = "web.remote-write-receiver.accepted-protobuf-messages",
        action = ArgAction::Append,
        value_delimiter = ',',
        value_name = "MESSAGE"
    )]
    accepted_protobuf_messages: Vec<String>,
}

impl PushFlags {
    /// Makes the settings what the flags say.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), String> {
        settings.push = PushSettings::new(false);
        settings.push.routes.remote_write = self.enable_remote_write_receiver;
        settings.push.routes.otlp = self.enable_otlp_receiver;
        if !self.accepted_protobuf_messages.is_empty() {
            settings.push.messages = self.messages()?;
        }
        Ok(())
    }

    fn messages(&self) -> Result<Vec<WriteMessage>, String> {
        let find = |name: &String| {
            WriteMessage::from_name(name).ok_or_else(|| {
                format!(
                    "--web.remote-write-receiver.accepted-protobuf-messages: unknown message {name:?}; there are \
                     {}",
                    WriteMessage::ALL.map(WriteMessage::name).join(", ")
                )
            })
        };
        self.accepted_protobuf_messages.iter().map(find).collect()
    }

    /// The flags as they are shown.
    pub(crate) fn shown(&self, settings: &Settings) -> Vec<(&'static str, String)> {
        let messages: Vec<&str> = settings.push.messages.iter().map(|message| message.name()).collect();
        vec![
            ("web.enable-remote-write-receiver", settings.push.routes.remote_write.to_string()),
            ("web.enable-otlp-receiver", settings.push.routes.otlp.to_string()),
            ("web.remote-write-receiver.accepted-protobuf-messages", messages.join(",")),
        ]
    }
}
