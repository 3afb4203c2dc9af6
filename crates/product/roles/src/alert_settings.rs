//! What our own file says of alerts beyond the files of Prometheus and Alertmanager: who owns what they are
//! about, how long their trail is kept, and the dead-man switch.

use alerting::dead_man::DeadManSwitch;
use config::http_client::PathBase;
use config::{Error, Fields, Node};
use rules::AlertLabels;

/// What `promontory.yml` says of alerts.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// Labels that are joined onto alerts.
    pub labels: AlertLabels,
    /// How long the trail is kept, in milliseconds; 0 keeps none.
    pub trail_retention_ms: i64,
    /// How much room it may take.
    pub trail_size_max_bytes: u64,
    /// What is asked as long as rules are evaluated and delivery works.
    pub dead_man_switch: Option<DeadManSwitch>,
}

impl Default for AlertSettings {
    fn default() -> Self {
        let trail = alerting::trail::Options::new("");
        AlertSettings {
            labels: AlertLabels::default(),
            trail_retention_ms: trail.retention_ms,
            trail_size_max_bytes: trail.size_max_bytes,
            dead_man_switch: None,
        }
    }
}

impl AlertSettings {
    /// The keys of a `promontory.yml` that are about alerts.
    pub(crate) const FILE_KEYS: [&str; 3] = ["alert_labels", "alert_trail", "dead_man_switch"];

    /// Takes over what the file says.
    pub(crate) fn decode(&mut self, fields: &mut Fields<'_>, base: &PathBase) -> Result<(), Error> {
        self.labels =
            fields.or("alert_labels", self.labels.clone(), |node| AlertLabels::decode(node, base))?;
        self.dead_man_switch = fields.optional("dead_man_switch", DeadManSwitch::decode)?;
        if let Some(node) = fields.take("alert_trail") {
            let mut trail = node.fields("alert_trail")?;
            self.trail_retention_ms = trail.or("retention", self.trail_retention_ms, Node::duration_ms)?;
            self.trail_size_max_bytes = trail.or("size", self.trail_size_max_bytes, Node::bytes)?;
            trail.finish()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_about_alerts_are_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("owners.yml"), "- {instance: a, owner: kim}\n").unwrap();
        let node = Node::parse(
            "alert_labels: [{from: {inventory: owners.yml, on: [instance], take: [owner]}}]\n\
             alert_trail: {retention: 30d, size: 100MB}\n\
             dead_man_switch: https://hc-ping.com/x\n",
        )
        .unwrap();
        let mut fields = node.fields("promontory.yml").unwrap();
        let mut settings = AlertSettings::default();
        settings.decode(&mut fields, &PathBase::new(directory.path())).unwrap();
        fields.finish().unwrap();
        assert!(!settings.labels.is_empty() && settings.dead_man_switch.is_some());
        assert_eq!(settings.trail_retention_ms, 30 * 86_400_000);
    }
}
