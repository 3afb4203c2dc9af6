//! Monitors of `promontory.yml`, as the API tells of them.

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{SOON, Server, file, promontory, until};

#[test]
fn the_api_tells_how_monitors_are_and_were() {
    let dir = tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "machine: {{watch: false}}\n\
         monitors:\n\
         - {{name: a (open), target: '{open}', module: tcp, interval: 1s, owner: ann, tags: {{team: web}}}}\n\
         - {{name: closed, target: '{closed}', module: tcp, interval: 1s, retries: 0}}\n"
    );
    file(dir.path(), "promontory.yml", &config);
    let flags = ["run", "--config=promontory.yml", "--listen=127.0.0.1:0"];
    let server = Server::ready(&mut promontory(dir.path(), &flags));
    let found = until("both are known", SOON, || {
        let found = server.api("monitors", &[]);
        // The state and the uptime are told by the same probe, one after the other.
        let known = |at: usize| {
            let monitor = &found["monitors"][at];
            monitor["uptime"]["24h"].is_number() && monitor["state"] != "unknown"
        };
        (known(0) && known(1)).then_some(found)
    });
    let monitors = found["monitors"].as_array().unwrap();
    let facts = |monitor: &Value| {
        ["name", "state", "owner"].map(|name| monitor[name].as_str().unwrap().to_string()).join(" ")
    };
    assert_eq!(monitors.iter().map(facts).collect::<Vec<_>>(), ["a (open) up ann", "closed down "]);
    assert_eq!((&monitors[0]["uptime"]["30d"], &monitors[0]["tags"]["team"]), (&1.0.into(), &"web".into()));
    assert_eq!(
        (&monitors[1]["uptime"]["30d"], &monitors[1]["lastProbe"]["success"]),
        (&0.0.into(), &false.into())
    );
    let down = server.api("monitors", &[("state", "down")]);
    assert_eq!((&down["total"], &down["monitors"][0]["name"]), (&1.into(), &"closed".into()));
}
