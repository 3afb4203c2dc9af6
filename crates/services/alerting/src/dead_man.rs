//! The dead-man switch: a URL is asked at an interval for as long as rules are evaluated and
//! delivery works. Whoever watches the URL (healthchecks.io, Dead Man's Snitch, another server) alarms
//! when it stays silent, and so notices what no alert of ours can tell: that there are none.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::clock::Mark;
use bytes::Bytes;
use config::http_client::{HttpClientConfig, check_http_url};
use config::{Node, Result, Secret};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::transport::{Request, Transport};

/// How often the URL is asked unless it is said.
const INTERVAL_DEFAULT_MS: i64 = 60_000;
/// How long an answer may take at most.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// What `dead_man_switch` says: a URL, or `{url, interval}`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadManSwitch {
    /// What is asked. Such URLs hold a key, so it does not print.
    pub url: Secret,
    /// How often, in milliseconds.
    pub interval_ms: i64,
}

impl DeadManSwitch {
    /// Decodes it.
    pub fn decode(node: &Node) -> Result<DeadManSwitch> {
        let url = |node: &Node| {
            let text = node.string()?;
            check_http_url(node, &text)?;
            Ok(Secret::new(text))
        };
        if let config::yaml::Value::Scalar { .. } = &node.value {
            return Ok(DeadManSwitch { url: url(node)?, interval_ms: INTERVAL_DEFAULT_MS });
        }
        let mut fields = node.fields("dead_man_switch")?;
        let found = fields.optional("url", url)?.ok_or_else(|| node.error("missing url"))?;
        let interval_ms = fields.or("interval", INTERVAL_DEFAULT_MS, |node| {
            let interval_ms = node.duration_ms()?;
            match interval_ms < 1000 {
                true => {
                    Err(node.error(format!("expected an interval of at least 1s, found {}", node.shown())))
                }
                false => Ok(interval_ms),
            }
        })?;
        fields.finish()?;
        Ok(DeadManSwitch { url: found, interval_ms })
    }
}

/// Says whether all is well, or what is not.
pub type Health = Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;

/// How the switch stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Times the URL was asked and answered well.
    pub beats: u64,
    /// Times it did not.
    pub failures: u64,
    /// Times it was not asked because something was wrong.
    pub withheld: u64,
    /// What was wrong the last time; "" if nothing.
    pub problem: String,
}

/// A switch that runs, or rests as long as it is not configured. Clones are the same switch.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    settings: watch::Sender<Option<DeadManSwitch>>,
    status: Mutex<Status>,
}

/// Starts a switch that rests, on the current tokio runtime.
pub fn start(transport: Arc<dyn Transport>, clock: Clock, health: Health) -> Handle {
    let (settings, mut changes) = watch::channel(None);
    let handle = Handle(Arc::new(Shared { settings, status: Mutex::default() }));
    let weak = Arc::downgrade(&handle.0);
    tokio::spawn(async move {
        let http = Arc::new(HttpClientConfig::default());
        let mut last: Option<Mark> = None;
        loop {
            let current: Option<DeadManSwitch> = changes.borrow_and_update().clone();
            let Some(switch) = current else {
                last = None;
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let interval = Duration::from_millis(switch.interval_ms.unsigned_abs());
            let wait = match &last {
                // The first after what is waited for at a start: rules have had a round by then.
                None => interval.min(Duration::from_secs(15)),
                Some(mark) => interval.saturating_sub(mark.elapsed()),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = changes.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
            last = Some(clock.mark());
            let outcome = match health() {
                Ok(()) => Some(beat(transport.as_ref(), &http, &switch, interval).await),
                Err(problem) => {
                    note(&weak, |status| {
                        status.withheld += 1;
                        status.problem = problem;
                    });
                    None
                }
            };
            match outcome {
                Some(Ok(())) => note(&weak, |status| {
                    status.beats += 1;
                    status.problem.clear();
                }),
                Some(Err(problem)) => note(&weak, |status| {
                    status.failures += 1;
                    status.problem = problem;
                }),
                None => {}
            }
        }
    });
    handle
}

fn note(shared: &std::sync::Weak<Shared>, change: impl FnOnce(&mut Status)) {
    let Some(shared) = shared.upgrade() else { return };
    let mut status = shared.status.lock();
    let before = status.problem.clone();
    change(&mut status);
    if status.problem != before {
        match status.problem.as_str() {
            "" => tracing::info!("the dead-man switch is held again"),
            problem => tracing::warn!(problem, "the dead-man switch is not held"),
        }
    }
}

async fn beat(
    transport: &dyn Transport,
    settings: &Arc<HttpClientConfig>,
    switch: &DeadManSwitch,
    interval: Duration,
) -> std::result::Result<(), String> {
    let request = Request {
        method: http::Method::GET,
        http: settings.clone(),
        url: switch.url.expose().to_string(),
        headers: vec![("user-agent".into(), concat!("Promontory/", env!("CARGO_PKG_VERSION")).into())],
        body: Bytes::new(),
        timeout: interval.min(TIMEOUT_MAX),
    };
    match transport.send(request).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("the dead-man switch answered with status {}", answer.status)),
        Err(error) => Err(format!("the dead-man switch could not be reached: {error}")),
    }
}

impl Handle {
    /// Makes this the switch to hold; `None` lets go of it.
    pub fn apply(&self, switch: Option<DeadManSwitch>) {
        self.0.settings.send_if_modified(|current| {
            let is_new = *current != switch;
            *current = switch;
            is_new
        });
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.0.status.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::transport::{Answer, Response};

    struct Counting(Mutex<Vec<String>>);

    impl Transport for Counting {
        fn send(&self, request: Request) -> Answer<'_> {
            self.0.lock().push(request.url);
            Box::pin(async {
                Ok(Response { status: 204, headers: http::HeaderMap::new(), body: Bytes::new() })
            })
        }
    }

    fn decode(text: &str) -> Result<DeadManSwitch> {
        DeadManSwitch::decode(&Node::parse(text).unwrap())
    }

    #[test]
    fn one_line_is_enough() {
        let switch = decode("https://hc-ping.com/secret").unwrap();
        assert_eq!((switch.url.expose(), switch.interval_ms), ("https://hc-ping.com/secret", 60_000));
        assert!(!format!("{switch:?}").contains("hc-ping"));
        assert_eq!(decode("{url: http://x, interval: 5m}").unwrap().interval_ms, 300_000);
        for (wrong, what) in [
            ("ftp://x", "scheme must be"),
            ("{interval: 5m}", "missing url"),
            ("{url: http://x, interval: 5ms}", "at least 1s"),
        ] {
            let error = decode(wrong).unwrap_err().to_string();
            assert!(error.contains(what), "{wrong}: {error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_held_as_long_as_all_is_well() {
        let transport = Arc::new(Counting(Mutex::default()));
        let is_well = Arc::new(AtomicBool::new(true));
        let asked = is_well.clone();
        let health: Health = Arc::new(move || match asked.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err("rules are late".into()),
        });
        let handle = start(transport.clone(), Clock::manual(0), health);
        let until = async |what: &dyn Fn(&Status) -> bool| {
            while !what(&handle.status()) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        handle.apply(Some(decode("{url: http://x/y, interval: 10s}").unwrap()));
        until(&|status| status.beats >= 2).await;
        is_well.store(false, Ordering::SeqCst);
        until(&|status| status.withheld >= 1).await;
        let beats = handle.status().beats;
        until(&|status| status.withheld >= 3).await;
        let status = handle.status();
        assert_eq!((status.beats, status.problem.as_str()), (beats, "rules are late"));
        is_well.store(true, Ordering::SeqCst);
        until(&|status| status.beats > beats && status.problem.is_empty()).await;
        assert_eq!(transport.0.lock()[0], "http://x/y");
    }
}
