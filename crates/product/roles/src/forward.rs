//! Forwarding: alerts to the Alertmanagers that `prometheus.yml` names.

use std::sync::Arc;
use std::time::Duration;

use alerting::Transport;
use alerting::forward::{self, Forwarder, Limits};
use base::Clock;
use discovery::Discovery;
use exposition::Registry;
use model::Alert;
use model::alert::{AlertChange, AlertSink};

use crate::prometheus_file::Alerting;
use crate::settings::Settings;

/// Forwarding and what finds the Alertmanagers.
pub(crate) struct Forward {
    pub(crate) forwarder: forward::Handle,
    discovery: Discovery,
}

impl Forward {
    /// Starts with nobody to send to; [`Forward::apply`] names them.
    pub(crate) fn start(
        settings: &Settings,
        transport: Arc<dyn Transport>,
        registry: &Registry,
        clock: &Clock,
    ) -> Forward {
        let discovery = Discovery::new("notify", registry);
        let forwarder = Forwarder::start(forward::Deps {
            clock: clock.clone(),
            transport,
            targets: Arc::new(discovery.clone()),
            registry: registry.clone(),
            limits: Limits {
                queue_alerts_max: settings.notification_queue_alerts_max,
                batch_alerts_max: settings.notification_batch_alerts_max,
                ..Limits::default()
            },
        });
        Forward { forwarder, discovery }
    }

    /// Makes these the ones that get alerts; `None` if there is no `prometheus.yml`.
    pub(crate) fn apply(&self, alerting: Option<&Alerting>) {
        let (mut jobs, mut config) = (Vec::new(), forward::Config::default());
        if let Some(alerting) = alerting {
            config.relabel.clone_from(&alerting.relabel);
            for (at, group) in alerting.alertmanagers.iter().enumerate() {
                let job = format!("alertmanagers/{at}");
                jobs.push((job.clone(), group.discovery.clone()));
                config.groups.push(forward::Group {
                    job,
                    scheme: group.scheme.clone(),
                    path_prefix: group.path_prefix.clone(),
                    timeout_ms: group.timeout_ms,
                    http: Arc::new(group.http.clone()),
                    relabel: group.relabel.clone(),
                    alert_relabel: group.alert_relabel.clone(),
                });
            }
        }
        self.discovery.apply(jobs);
        self.forwarder.apply(config);
    }

    pub(crate) async fn stop(&self, within: Duration) {
        self.forwarder.stop(within).await;
    }
}

/// Takes alerts for our own delivery and for forwarding.
pub(crate) struct FanOut {
    pub(crate) alerting: alerting::Handle,
    pub(crate) forwarder: forward::Handle,
}

impl AlertSink for FanOut {
    fn send(&self, alerts: Vec<Alert>) {
        self.forwarder.send(alerts.clone());
        self.alerting.send(alerts);
    }

    fn changed(&self, changes: Vec<AlertChange>) {
        self.alerting.changed(changes);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use alerting::HttpTransport;
    use config::Node;
    use config::http_client::PathBase;
    use model::Labels;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::settings::Mode;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Answers every request with 200 and passes on what it was.
    async fn server() -> (SocketAddr, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel(100);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                while !text.ends_with("}]") {
                    let mut bytes = [0; 4096];
                    let count = stream.read(&mut bytes).await.unwrap();
                    text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                }
                let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(reply).await.unwrap();
                let _ = sender.send(text).await;
            }
        });
        (address, requests)
    }

    fn alerting(yaml: &str, folder: &Path) -> Alerting {
        let node = Node::parse(yaml).unwrap();
        Alerting::decode(&node, &PathBase::new(folder), &mut Vec::new()).unwrap()
    }

    fn start() -> Forward {
        let transport = Arc::new(HttpTransport::default());
        Forward::start(&Settings::new(Mode::Prometheus), transport, &Registry::new(), &Clock::system())
    }

    fn alert(name: &str) -> Vec<Alert> {
        let now_ms = Clock::system().now_ms();
        vec![Alert {
            labels: Labels::from_pairs([("alertname", name), ("replica", "a")]),
            annotations: Labels::empty(),
            starts_at_ms: now_ms,
            ends_at_ms: now_ms + 60_000,
            generator_url: String::new(),
        }]
    }

    async fn next(requests: &mut mpsc::Receiver<String>) -> String {
        tokio::time::timeout(PATIENCE, requests.recv()).await.expect("a request in time").unwrap()
    }

    #[tokio::test]
    async fn what_a_file_says_about_alertmanagers_is_done() {
        let (address, mut requests) = server().await;
        let yaml = format!(
            "alert_relabel_configs: [{{regex: replica, action: labeldrop}}]\n\
             alertmanagers:\n\
             - path_prefix: /am\n  basic_auth: {{username: u, password: p}}\n\
             \x20 static_configs: [{{targets: ['{address}', 'dropped:1']}}]\n\
             \x20 relabel_configs: [{{source_labels: [__address__], regex: 'dropped.*', action: drop}}]\n"
        );
        let forward = start();
        forward.apply(Some(&alerting(&yaml, Path::new(""))));
        forward.forwarder.send(alert("Down"));
        let request = next(&mut requests).await;
        assert!(request.starts_with("POST /am/api/v2/alerts "), "{request}");
        assert!(request.to_lowercase().contains("authorization: basic dtpw"), "{request}");
        assert!(request.contains(r#"[{"labels":{"alertname":"Down"},"#), "{request}");
        let known = forward.forwarder.alertmanagers();
        assert_eq!(known.active, [format!("http://{address}/am/api/v2/alerts")]);
        assert_eq!(known.dropped, ["http://dropped:1/am/api/v2/alerts"]);

        forward.apply(None);
        assert_eq!(forward.forwarder.alertmanagers(), forward::Alertmanagers::default());
    }

    #[tokio::test]
    async fn a_changed_file_of_targets_changes_who_gets_alerts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |address: SocketAddr| {
            std::fs::write(folder.path().join("am.yml"), format!("- targets: ['{address}']")).unwrap();
        };
        let ((first, mut of_first), (second, mut of_second)) = (server().await, server().await);
        write(first);
        let forward = start();
        let yaml = "alertmanagers: [{file_sd_configs: [{files: [am.yml], refresh_interval: 100ms}]}]";
        forward.apply(Some(&alerting(yaml, folder.path())));
        let known = async |address: SocketAddr| {
            let wanted = [format!("http://{address}/api/v2/alerts")];
            let is_known = async {
                while forward.forwarder.alertmanagers().active != wanted {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, is_known).await.expect("known in time");
        };
        known(first).await;
        forward.forwarder.send(alert("A"));
        assert!(next(&mut of_first).await.contains(r#""alertname":"A""#));
        write(second);
        known(second).await;
        forward.forwarder.send(alert("B"));
        assert!(next(&mut of_second).await.contains(r#""alertname":"B""#));
        assert!(of_first.try_recv().is_err());
    }
}
