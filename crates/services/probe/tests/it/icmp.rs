//! The ICMP prober, against this machine.

use std::time::Duration;

use crate::support::{Found, probe, probe_within};

/// `None` where the system allows no echo requests, as some containers do not.
fn allowed(found: Found) -> Option<Found> {
    if found.report.log().contains("Error listening to socket")
        || found.report.log().contains("Error writing to socket")
    {
        println!("skipped: this system allows no echo requests");
        return None;
    }
    Some(found)
}

#[tokio::test]
async fn this_machine_answers() {
    let Some(found) = allowed(probe("{prober: icmp, icmp: {preferred_ip_protocol: ip4}}", "localhost").await)
    else {
        return;
    };
    let found = found.succeeds();
    assert_eq!(found.value("probe_icmp_reply_hop_limit"), 64.0);
    assert_eq!(found.value("probe_ip_protocol"), 4.0);
    assert!(found.with("probe_icmp_duration_seconds", "phase", "rtt") > 0.0);
    assert!(found.with("probe_icmp_duration_seconds", "phase", "setup") > 0.0);
    let module = "{prober: icmp, icmp: {payload_size: 1000, ttl: 5, dont_fragment: true, source_ip_address: 127.0.0.1}}";
    let found = probe(module, "127.0.0.1").await.succeeds();
    // The reply has the hop limit of the one who answers, which here is the same system's default.
    assert_eq!(found.value("probe_icmp_reply_hop_limit"), 64.0);
}

#[tokio::test]
async fn this_machine_answers_over_ipv6() {
    if let Some(found) = allowed(probe("{prober: icmp}", "::1").await) {
        assert_eq!(found.succeeds().value("probe_ip_protocol"), 6.0);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_failure() {
    let found = probe_within("{prober: icmp}", "255.255.255.255", Duration::from_millis(500)).await;
    assert!(!found.success, "{}", found.page());
    assert!(!found.has("probe_icmp_reply_hop_limit"));
    assert_eq!(found.with("probe_icmp_duration_seconds", "phase", "rtt"), 0.0);
    probe("{prober: icmp, icmp: {source_ip_address: nope}}", "127.0.0.1")
        .await
        .fails("Error parsing source ip");
}
