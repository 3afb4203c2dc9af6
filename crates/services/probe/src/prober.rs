//! One probe: dispatch by module, with its time.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;

use crate::config::{Module, Probe};
use crate::dial::Dialer;
use crate::report::{Level, Report};
use crate::{dns, grpc, http, icmp, stream, websocket};
use net::dns::Resolver;

/// Probes targets. Cheap to clone; clones share what is expensive to make.
#[derive(Clone)]
pub struct Prober(Arc<Dialer>);

/// What is probed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How.
    pub module: &'a Module,
    /// What, in the form that the module's prober takes.
    pub target: &'a str,
    /// The name under which an HTTP target is asked, or that a TLS server must prove; empty for the target's own.
    pub hostname: &'a str,
    /// How long it may take.
    pub timeout: Duration,
}

impl Prober {
    /// Uses the machine's resolver.
    pub fn new(clock: &Clock) -> Prober {
        Prober(Arc::new(Dialer::new(clock, Resolver::system(clock))))
    }

    /// Probes once. Everything found is in the report, `probe_success` and the durations included.
    pub async fn probe(&self, request: Request<'_>, report: &mut Report) -> bool {
        let timeout_seconds = request.timeout.as_secs_f64();
        report.set("probe_success", 0.0);
        report.set("probe_duration_seconds", 0.0);
        report.set("probe_timeout_seconds", timeout_seconds);
        report.debug(
            "Beginning probe",
            &[("probe", &request.module.prober()), ("timeout_seconds", &timeout_seconds)],
        );
        let started = self.0.clock.mark();
        let success = match tokio::time::timeout(request.timeout, self.dispatch(request, report)).await {
            Ok(success) => success,
            Err(_) => report.fail("Probe ran out of time", &[("err", &"context deadline exceeded")]),
        };
        let seconds = started.elapsed_seconds();
        report.set("probe_duration_seconds", seconds);
        report.set("probe_success", f64::from(u8::from(success)));
        if success {
            report.debug("Probe succeeded", &[("duration_seconds", &seconds)]);
        } else {
            report.fail("Probe failed", &[("duration_seconds", &seconds)]);
        }
        success
    }

    async fn dispatch(&self, request: Request<'_>, report: &mut Report) -> bool {
        let (dialer, target) = (&*self.0, request.target);
        match &request.module.probe {
            Probe::Http(probe) => http::probe(dialer, probe, target, request.hostname, report).await,
            Probe::Dns(probe) => dns::probe(dialer, probe, target, report).await,
            Probe::Icmp(probe) => icmp::probe(dialer, probe, target, report).await,
            Probe::Tcp(probe) => stream::tcp(dialer, probe, target, request.hostname, report).await,
            Probe::Unix(probe) => stream::unix(dialer, probe, target, report).await,
            Probe::Grpc(probe) => grpc::probe(dialer, probe, target, report).await,
            Probe::Websocket(probe) => websocket::probe(dialer, probe, target, report).await,
        }
    }

    /// A report for [`Prober::probe`].
    pub fn report(&self, level: Level) -> Report {
        Report::new(&self.0.clock, level)
    }
}
