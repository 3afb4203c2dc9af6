//! Starting and stopping.

use std::os::unix::fs::symlink;
use std::time::Duration;

use base::Clock;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::harness::{SOON, Series, Server, now_ms, until};

/// A start without anything to read in takes milliseconds; this is for a machine that is very busy.
const READY_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_first_start_needs_nothing_and_watches_the_machine() {
    let dir = tempdir().unwrap();
    let started = Clock::system().mark();
    let server = Server::machine(dir.path(), &[]);
    let took = started.elapsed();
    println!("ready after {took:?}");
    assert!(took < READY_WITHIN, "ready after {took:?}");
    assert_eq!(server.get("/-/healthy").status, 200);
    assert_eq!(server.get("/-/ready").status, 200);
    for job in ["node", "promontory"] {
        until(job, SOON, || (server.value(&format!("up{{job=\"{job}\"}}")) == Some(1.0)).then_some(()));
    }
    println!("collects after {:?}", started.elapsed());
    for metric in [
        "node_cpu_seconds_total",
        "node_memory_MemTotal_bytes",
        "node_filesystem_size_bytes",
        "node_load1",
        "node_uname_info",
        "node_network_receive_bytes_total",
        "process_resident_memory_bytes",
        "promontory_tsdb_head_series",
    ] {
        let series = server.value(&format!("count({metric})"));
        assert!(series.is_some_and(|count| count >= 1.0), "no {metric}");
    }
    let rules = server.api("rules", &[]);
    assert!(rules["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "no default alerts");

    let before = server.samples("up{job=\"node\"}[1h]", now_ms());
    let (_, before) = before.first().unwrap();
    assert!(dir.path().join("promontory-data").is_dir());
    server.terminate();

    let server = Server::machine(dir.path(), &[]);
    let after = server.samples("up{job=\"node\"}[1h]", now_ms());
    let (_, after) = after.first().expect("the samples of the run before");
    assert_eq!(after[..before.len()], before[..]);
}

#[test]
fn every_way_to_stop_ends_well() {
    let dir = tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::machine(dir.path(), &[]);
        server.program.signal(signal);
        assert_eq!(server.program.exit_code(), Some(0), "{signal:?}");
    }
    let mut server = Server::machine(dir.path(), &[]);
    assert_eq!(server.post("/-/quit").status, 200);
    assert_eq!(server.program.exit_code(), Some(0));
}

#[test]
fn a_program_that_stops_has_written_down_what_it_took() {
    let dir = tempdir().unwrap();
    let now_ms = now_ms();
    let server = Server::quiet(dir.path(), &[]);
    let taken = vec![(now_ms - 2_000, 1.5), (now_ms - 1_000, f64::MIN_POSITIVE)];
    server.write(&[Series::new("kept", &[("a", "ü")], taken.clone())]);
    server.terminate();
    let server = Server::quiet(dir.path(), &[]);
    assert_eq!(server.samples("kept[1m]", now_ms)[0].1, taken);
    assert_eq!(server.samples("kept[1m]", now_ms)[0].0["a"], "ü");
}

#[test]
fn under_the_name_of_prometheus_it_takes_the_place_of_prometheus() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("prometheus.yml"), "").unwrap();
    let name = dir.path().join("prometheus");
    symlink(env!("CARGO_BIN_EXE_promontory"), &name).unwrap();
    let mut command = std::process::Command::new(&name);
    command.current_dir(dir.path()).args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.path=d"]);
    let server = Server::ready(&mut command);
    assert_eq!(server.api("status/flags", &[])["storage.tsdb.path"], "d");
    assert!(dir.path().join("d").is_dir());
    // As in Prometheus, these are off unless asked for.
    assert_eq!(server.post("/-/reload").status, 403);
    assert_eq!(server.post("/-/quit").status, 403);
    assert_eq!(server.post("/api/v1/write").status, 404);
    assert_eq!(server.vector("up"), []);
}
