//! `promontory node-exporter`: node_exporter's flags, as it takes them.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::path::PathBuf;

use node::flags::{FLAGS, Flags};
use roles::node_exporter::Settings;
use roles::settings::parse_listen;

use crate::logging::{Format, Level, LogFlags};

/// Flags of the listener and of the process: name, whether it is a switch, what it is for.
const OWN: [(&str, bool, &str); 11] = [
    ("collector.disable-defaults", true, "Run only the collectors that are switched on by name"),
    ("log.format", false, "How lines look: logfmt or json; lines for people if it is not given"),
    ("log.level", false, "How much is logged: debug, info, warn or error [info]"),
    ("runtime.gomaxprocs", false, "Not used: two threads do the work"),
    ("web.config.file", false, "TLS, users and headers (exporter-toolkit's web configuration)"),
    ("web.disable-exporter-metrics", true, "Leave out metrics of the exporter itself"),
    ("web.listen-address", false, "Address to listen on; may be given several times [:9100]"),
    ("web.max-requests", false, "Pages made at once; 0 is no limit [40]"),
    ("web.systemd-socket", true, "Refused: sockets of systemd are not taken over"),
    ("web.telemetry-path", false, "Path of the metrics [/metrics]"),
    ("version", true, "Show the version"),
];

/// What the command line asks for.
pub(crate) enum Asked {
    Serve(Box<Settings>, LogFlags),
    /// To be printed, and that is all.
    Text(String),
}

/// Reads the flags behind the command.
pub(crate) fn read(args: &[OsString]) -> Result<Asked, String> {
    let mut flags = Flags::default();
    let (mut listen, mut log) = (Vec::new(), LogFlags::default());
    let (mut telemetry_path, mut web_config) = ("/metrics".to_string(), None);
    let (mut shows_itself, mut requests_max) = (true, 40);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let arg = arg.to_str().ok_or_else(|| format!("{arg:?} is not UTF-8"))?;
        if arg == "-h" || arg == "--help" {
            return Ok(Asked::Text(help()));
        }
        let Some(flag) = arg.strip_prefix("--") else { return Err(format!("unexpected {arg}")) };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (flag, None),
        };
        let is_switch = |name: &str| match OWN.iter().find(|(known, ..)| *known == name) {
            Some((_, is_switch, _)) => Some(*is_switch),
            None => Flags::is_switch(name),
        };
        let (name, on) = match name.strip_prefix("no-") {
            Some(switch) if is_switch(switch) == Some(true) => (switch, false),
            _ => (name, true),
        };
        match is_switch(name) {
            None => return Err(format!("unknown long flag '--{name}'")),
            Some(true) => {
                if let Some(value) = value {
                    return Err(format!("--{name} is a switch and takes no value, found {value:?}"));
                }
                match name {
                    "version" => {
                        return Ok(Asked::Text(format!(
                            "node-exporter, promontory {}",
                            env!("CARGO_PKG_VERSION")
                        )));
                    }
                    "web.disable-exporter-metrics" => shows_itself = !on,
                    "web.systemd-socket" if on => {
                        return Err("--web.systemd-socket: sockets of systemd are not taken over".to_string());
                    }
                    name => flags.switch(name, on),
                }
            }
            Some(false) => {
                let value = match value {
                    Some(value) => value,
                    None => match args.next().map(|value| value.to_str()) {
                        Some(Some(value)) => value.to_string(),
                        Some(None) => return Err(format!("the value of --{name} is not UTF-8")),
                        None => return Err(format!("expected argument for flag '--{name}'")),
                    },
                };
                match name {
                    "runtime.gomaxprocs" => {}
                    "log.format" => {
                        let format = <Format as clap::ValueEnum>::from_str(&value, true);
                        log.format = Some(
                            format.map_err(|_| format!("--log.format: unrecognized log format {value}"))?,
                        );
                    }
                    "log.level" => {
                        log.level = <Level as clap::ValueEnum>::from_str(&value, true)
                            .map_err(|_| format!("--log.level: unrecognized log level {value}"))?;
                    }
                    "web.config.file" => web_config = (!value.is_empty()).then(|| PathBuf::from(value)),
                    "web.listen-address" => listen.push(
                        parse_listen(&value).map_err(|error| format!("--web.listen-address: {error}"))?,
                    ),
                    "web.max-requests" => {
                        requests_max = value
                            .parse()
                            .map_err(|_| format!("--web.max-requests: expected a number, found {value:?}"))?;
                    }
                    "web.telemetry-path" => {
                        if !value.starts_with('/') {
                            return Err(format!("--web.telemetry-path: expected a path, found {value:?}"));
                        }
                        telemetry_path = value;
                    }
                    name => flags.set(name, &value)?,
                }
            }
        }
    }
    if listen.is_empty() {
        listen.push(std::net::SocketAddr::from(([0, 0, 0, 0], 9100)));
    }
    let node = flags.finish()?;
    let settings = Settings { node, listen, telemetry_path, web_config, shows_itself, requests_max };
    Ok(Asked::Serve(Box::new(settings), log))
}

fn help() -> String {
    let mut text = "Stand in for node_exporter: the metrics of this machine on a port of their own\n\n\
                    Usage: promontory node-exporter [FLAGS]\n\n\
                    A switch is turned off by --no- before its name.\n\nCollectors:\n"
        .to_string();
    for (name, is_on) in node::Node::collectors() {
        text.push_str(&format!("  --collector.{name} [{}]\n", if is_on { "on" } else { "off" }));
    }
    text.push_str("\nFlags:\n");
    let own = OWN.iter().map(|(name, is_switch, help)| (*name, *is_switch, *help));
    let mut all: Vec<_> =
        FLAGS.iter().map(|flag| (flag.name, flag.is_switch(), flag.help)).chain(own).collect();
    all.sort_unstable();
    for (name, is_switch, help) in all {
        let value = if is_switch { "" } else { "=VALUE" };
        text.push_str(&format!("  --{name}{value}\n      {help}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Settings, String> {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        match read(&args)? {
            Asked::Serve(settings, _) => Ok(*settings),
            Asked::Text(text) => Err(text),
        }
    }

    #[test]
    fn the_flags_of_a_kubernetes_daemonset_are_taken() {
        let settings = read_words(
            "--web.listen-address=127.0.0.1:9101 --path.sysfs=/host/sys --path.rootfs=/host/root \
             --path.procfs /host/root/proc --no-collector.wifi --no-collector.hwmon --no-collector.btrfs \
             --collector.filesystem.mount-points-exclude=^/(dev|proc|sys)($|/) \
             --collector.netclass.ignored-devices=^(veth.*)$ --collector.netdev.device-exclude=^(veth.*)$",
        )
        .unwrap();
        assert_eq!(settings.listen, ["127.0.0.1:9101".parse().unwrap()]);
        assert_eq!(settings.node.paths.procfs, PathBuf::from("/host/root/proc"));
        assert_eq!(settings.node.collectors.get("hwmon"), Some(&false));
        assert_eq!(settings.node.network_devices.exclude, "^(veth.*)$");
        assert_eq!((settings.telemetry_path.as_str(), settings.requests_max), ("/metrics", 40));
    }

    #[test]
    fn wrong_flags_are_named() {
        for (line, expected) in [
            ("--collector.lodavg", "unknown long flag '--collector.lodavg'"),
            ("--no-path.procfs=/x", "unknown long flag '--no-path.procfs'"),
            ("--collector.cpu=false", "--collector.cpu is a switch"),
            ("--path.procfs", "expected argument for flag '--path.procfs'"),
            ("procfs", "unexpected procfs"),
            ("--web.max-requests=many", "--web.max-requests: expected a number"),
        ] {
            let error = read_words(line).err().unwrap_or_default();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn the_help_names_every_collector_and_flag() {
        let help = help();
        for (name, _) in node::Node::collectors() {
            assert!(help.contains(name), "{name}");
        }
        for flag in FLAGS {
            assert!(help.contains(flag.name), "{}", flag.name);
        }
    }
}
