//! Services and sessions: systemd and logind over the bus, runit and supervisord as they are.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use model::MetricType::{Counter, Gauge};

use crate::dbus::{Bus, Value};
use crate::page::Page;
use crate::{Error, Run};

const BUS: &str = "/run/dbus/system_bus_socket";
const PRIVATE: &str = "/run/systemd/private";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const LOGIND: &str = "org.freedesktop.login1";
const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];
/// What systemd gives for "no limit" and "not known".
const UNSET: u64 = u64::MAX;

struct Unit {
    name: String,
    state: String,
    path: String,
}

pub(super) fn systemd(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let failed = |error| Error::Read { path: "systemd".to_string(), source: error };
    let config = &run.config.systemd;
    let path = Path::new(if config.private { PRIVATE } else { BUS });
    let mut bus = Bus::connect(path, !config.private).map_err(failed)?;
    let manager = [SYSTEMD, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
    let version = bus.property(manager, "Version").unwrap_or(Value::List(Vec::new()));
    let (number, version) = match version_number(version.text()) {
        Some(number) => (number, version.text()),
        None => (0.0, ""),
    };
    page.gauge("node_systemd_version", "The version of systemd.", &[("version", version)], number);
    let virtualization = match bus.property(manager, "Virtualization") {
        Ok(value) if value.text().is_empty() => "none".to_string(),
        Ok(value) => value.text().to_string(),
        Err(_) => "unknown".to_string(),
    };
    let help = "What kind of virtual machine this is.";
    let labels = [("virtualization_type", virtualization.as_str())];
    page.gauge("node_systemd_virtualization_info", help, &labels, 1.0);

    let answer = bus.call(manager, "ListUnits", &[]).map_err(failed)?;
    let mut counts: BTreeMap<&str, f64> = STATES.into_iter().map(|state| (state, 0.0)).collect();
    let mut units = Vec::new();
    for unit in answer.list() {
        // Name, description, loaded, active, part of it, followed, path, …
        let [name, _, loaded, state, _, _, path, ..] = unit.list() else { continue };
        *counts.entry(state.text()).or_default() += 1.0;
        if loaded.text() == "loaded" && run.filters.systemd_units.takes(name.text()) {
            let [name, state, path] = [name, state, path].map(|value| value.text().to_string());
            units.push(Unit { name, state, path });
        }
    }
    for (state, count) in counts {
        page.gauge("node_systemd_units", "Units by state.", &[("state", state)], count);
    }
    for unit in &units {
        self::unit(run, page, &mut bus, unit);
    }
    let state = bus.property(manager, "SystemState").map_err(failed)?;
    let running = f64::from(u8::from(state.text() == "running"));
    page.gauge("node_systemd_system_running", "Whether all units are as they should.", &[], running);
    Ok(())
}

/// Three digits and more, with what is behind a point: 252.39 of `252.39-1~deb12u1`.
fn version_number(text: &str) -> Option<f64> {
    let mut rest = text;
    loop {
        let start = rest.find(|c: char| c.is_ascii_digit())?;
        rest = rest.get(start..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, behind) = rest.split_at_checked(end)?;
        if whole.len() >= 3 {
            let part = behind.strip_prefix('.').unwrap_or("");
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            return format!("{whole}.{}", part.get(..end)?).trim_end_matches('.').parse().ok();
        }
        rest = behind;
    }
}

fn unit(run: &Run<'_>, page: &mut Page, bus: &mut Bus, unit: &Unit) {
    let config = &run.config.systemd;
    let kind = unit.name.rsplit_once('.').map_or("", |(_, kind)| kind);
    let interface = match kind {
        "service" => "org.freedesktop.systemd1.Service",
        "mount" => "org.freedesktop.systemd1.Mount",
        "socket" => "org.freedesktop.systemd1.Socket",
        "timer" => "org.freedesktop.systemd1.Timer",
        _ => "",
    };
    // A unit may be gone by now; what it does not know is left out.
    let mut get = |interface: &str, name: &str| bus.property([SYSTEMD, &unit.path, interface], name).ok();
    let service_type = match kind {
        "service" | "mount" => get(interface, "Type").map_or(String::new(), |value| value.text().to_string()),
        _ => String::new(),
    };
    for state in STATES {
        let labels = [("name", unit.name.as_str()), ("state", state), ("type", &service_type)];
        let is_state = f64::from(u8::from(state == unit.state));
        page.gauge("node_systemd_unit_state", "The state of a unit.", &labels, is_state);
    }
    let labels = [("name", unit.name.as_str())];
    if config.start_times {
        let started = match unit.state.as_str() {
            "active" => get("org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp").and_then(|v| v.number()),
            _ => Some(0),
        };
        if let Some(us) = started {
            let help = "When a unit was started, in seconds since 1970.";
            page.gauge("node_systemd_unit_start_time_seconds", help, &labels, us as f64 / 1e6);
        }
    }
    let numbers: &[_] = match kind {
        "service" => &[
            (config.restarts, "NRestarts", "service_restart_total", Counter),
            (config.tasks, "TasksCurrent", "unit_tasks_current", Gauge),
            (config.tasks, "TasksMax", "unit_tasks_max", Gauge),
        ],
        "socket" => &[
            (true, "NAccepted", "socket_accepted_connections_total", Counter),
            (true, "NConnections", "socket_current_connections", Gauge),
            (true, "NRefused", "socket_refused_connections_total", Gauge),
        ],
        "timer" => &[(true, "LastTriggerUSec", "timer_last_trigger_seconds", Gauge)],
        _ => &[],
    };
    for (_, property, metric, metric_type) in numbers.iter().filter(|(wanted, ..)| *wanted) {
        let Some(value) = get(interface, property).and_then(|value| value.number()) else { continue };
        if value == UNSET && property.starts_with("Tasks") {
            continue;
        }
        let unit = if *property == "LastTriggerUSec" { 1e6 } else { 1.0 };
        let name = ["node_systemd_", metric].concat();
        page.add(&name, *metric_type, "A number of a unit.", &labels, value as f64 / unit);
    }
}

const TYPES: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

pub(super) fn logind(_: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let failed = |error| Error::Read { path: "logind".to_string(), source: error };
    let mut bus = Bus::connect(Path::new(BUS), true).map_err(failed)?;
    let manager = [LOGIND, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"];
    let seats = bus.call(manager, "ListSeats", &[]).map_err(failed)?;
    let mut seats: Vec<&str> =
        seats.list().iter().filter_map(|seat| Some(seat.list().first()?.text())).collect();
    // Sessions from elsewhere sit nowhere.
    seats.push("");
    let sessions = bus.call(manager, "ListSessions", &[]).map_err(failed)?;
    let mut counts: BTreeMap<(String, bool, &str, &str), f64> = BTreeMap::new();
    for session in sessions.list() {
        let [_, _, _, seat, path] = session.list() else { continue };
        let object = [LOGIND, path.text(), "org.freedesktop.login1.Session"];
        let mut get = |name: &str| bus.property(object, name).ok();
        let (Some(remote), Some(kind), Some(class)) = (get("Remote"), get("Type"), get("Class")) else {
            continue;
        };
        let known = |value: &Value, list: &[&'static str]| {
            list.iter().find(|known| **known == value.text()).copied().unwrap_or("other")
        };
        let key = (
            seat.text().to_string(),
            remote.number() == Some(1),
            known(&kind, &TYPES),
            known(&class, &CLASSES),
        );
        *counts.entry(key).or_default() += 1.0;
    }
    for (remote, word) in [(true, "true"), (false, "false")] {
        for kind in TYPES {
            for class in CLASSES {
                for seat in &seats {
                    let key = ((*seat).to_string(), remote, kind, class);
                    let count = counts.get(&key).copied().unwrap_or(0.0);
                    let labels = [("class", class), ("remote", word), ("seat", *seat), ("type", kind)];
                    page.gauge("node_logind_sessions", "Sessions by kind.", &labels, count);
                }
            }
        }
    }
    Ok(())
}

/// What the time labels of runit (TAI64) have more than seconds since 1970.
const TAI_OFFSET: u64 = (1 << 62) + 10;

pub(super) fn runit(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = &run.config.runit_directory;
    if !base.is_dir() {
        return Err(Error::Read {
            path: base.to_string_lossy().into_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    for service in run.files.names(base) {
        let folder = base.join(&service);
        let Ok(status) = std::fs::read(folder.join("supervise/status")) else { continue };
        // Time, nanoseconds, process, paused, wanted, ending, state.
        let (Some(time), [_, wanted, _, state]) =
            (status.first_chunk::<8>(), status.get(16..20).unwrap_or(&[]))
        else {
            continue;
        };
        let seconds = u64::from_be_bytes(*time).wrapping_sub(TAI_OFFSET).cast_signed();
        let labels = [("service", service.as_str()), ("supervisor", "runit")];
        let is_up = !folder.join("down").exists();
        for (metric, value, help) in [
            ("state", f64::from(*state), "The state of a service: 0 down, 1 up, 2 ending."),
            ("desired_state", f64::from(u8::from(*wanted == b'u')), "Whether a service shall be up."),
            ("normal_state", f64::from(u8::from(is_up)), "Whether a service is up unless told otherwise."),
            (
                "state_last_change_timestamp_seconds",
                seconds as f64,
                "When the state changed, in seconds since 1970.",
            ),
        ] {
            page.gauge(&["node_service_", metric].concat(), help, &labels, value);
        }
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_MAX_BYTES: u64 = 16 << 20;

pub(super) fn supervisord(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let url = &run.config.supervisord_url;
    let answer = ask_supervisord(url).map_err(|error| Error::Read { path: url.clone(), source: error })?;
    for process in answer.split("<struct>").skip(1) {
        let mut members: BTreeMap<&str, &str> = BTreeMap::new();
        for member in process.split("<member>").skip(1) {
            let between = |text: &'_ str, start: &str, end: &str| -> Option<(usize, usize)> {
                let from = text.find(start)? + start.len();
                Some((from, from + text.get(from..)?.find(end)?))
            };
            let Some((from, to)) = between(member, "<name>", "</name>") else { continue };
            let name = member.get(from..to).unwrap_or("");
            let Some((from, to)) = between(member, "<value>", "</value>") else { continue };
            let value = member.get(from..to).unwrap_or("").trim();
            let value = value.split_once('>').map_or(value, |(_, rest)| rest.split('<').next().unwrap_or(""));
            members.insert(name, value);
        }
        let text = |name: &str| {
            let text = members.get(name).copied().unwrap_or("");
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        };
        let number =
            |name: &str| members.get(name).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
        let (group, name) = (text("group"), text("name"));
        let labels = [("group", group.as_str()), ("name", &name)];
        let state = number("state");
        page.gauge("node_supervisord_state", "The state of a program.", &labels, state);
        let help = "How a program ended last.";
        page.gauge("node_supervisord_exit_status", help, &labels, number("exitstatus"));
        // Starting, running, stopping.
        let is_up = [10.0, 20.0, 40.0].contains(&state);
        page.gauge("node_supervisord_up", "Whether a program runs.", &labels, f64::from(u8::from(is_up)));
        if is_up {
            let help = "When a program was started, in seconds since 1970.";
            page.counter("node_supervisord_start_time_seconds", help, &labels, number("start"));
        }
    }
    Ok(())
}

fn ask_supervisord(url: &str) -> std::io::Result<String> {
    let body = "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName>\
                <params></params></methodCall>";
    let request = |host: &str, path: &str| {
        format!(
            "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut answer = String::new();
    if let Some(path) = url.strip_prefix("unix://") {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request("unix", "/RPC2").as_bytes())?;
        stream.take(ANSWER_MAX_BYTES).read_to_string(&mut answer)?;
    } else {
        let rest = url.strip_prefix("http://").ok_or(std::io::ErrorKind::InvalidInput)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let with_port = if host.contains(':') { host.to_string() } else { format!("{host}:80") };
        let mut stream = TcpStream::connect(&with_port)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request(host, &format!("/{path}")).as_bytes())?;
        stream.take(ANSWER_MAX_BYTES).read_to_string(&mut answer)?;
    }
    if answer.split(' ').nth(1) == Some("200") && !answer.contains("<fault>") {
        Ok(answer)
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_of_a_version_is_its_first_with_three_digits() {
        for (text, number) in [
            ("252.39-1~deb12u1", Some(252.39)),
            ("v257", Some(257.0)),
            ("systemd 12 (239)", Some(239.0)),
            ("1.2", None),
        ] {
            assert_eq!(super::version_number(text), number, "{text}");
        }
    }
}
