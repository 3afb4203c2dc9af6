//! The section `monitors` of our own file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use config::http_client::PathBase;
use config::yaml::Value;
use config::{Node, Result};
use model::labels::is_plain_label_name;

use crate::config::{Module, Modules, duration};

/// Monitors that may be configured.
pub const MONITORS_MAX: usize = 50_000;
/// Labels of a monitor beyond its own.
const TAGS_MAX: usize = 32;
/// How often a monitor probes that does not say.
const INTERVAL_MS: i64 = 20_000;
/// The shortest interval.
const INTERVAL_MIN_MS: i64 = 1_000;
/// The longest.
const INTERVAL_MAX_MS: i64 = 7 * 86_400_000;
/// Queries see a sample for 5 minutes, and an alert must hold from one probe to the next: what a probe found that has no
/// successor within 4 minutes is told again, at least every 2 minutes.
const SEEN_MS: i64 = 240_000;
const TOLD_AGAIN_MS: i64 = 120_000;
/// The longest time of a probe that does not say; never more than 4/5 of the interval.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Failures after which a monitor that does not say is asked once more before it counts as down.
const RETRIES: u32 = 1;
/// How long a certificate must still be valid for a monitor that does not say: two weeks.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(14 * 86_400);
/// Labels that samples have already.
const RESERVED_TAGS: [&str; 17] = [
    "__name__",
    "monitor",
    "instance",
    "job",
    "owner",
    "phase",
    "version",
    "cipher",
    "serving_status",
    "fingerprint_sha256",
    "issuer",
    "serialnumber",
    "subject",
    "subjectalternative",
    "le",
    "quantile",
    "alertname",
];

/// The part of an interval after which what was found is told again.
fn told_every_ms(interval_ms: i64) -> i64 {
    match interval_ms {
        ..=SEEN_MS => interval_ms,
        long_ms => long_ms / ((long_ms + TOLD_AGAIN_MS - 1) / TOLD_AGAIN_MS),
    }
}

/// A target that is watched.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Its name; no two are alike.
    pub name: String,
    /// What is probed, in the form that the module takes.
    pub target: String,
    /// How.
    pub module: Arc<Module>,
    /// How often, milliseconds.
    pub interval_ms: i64,
    /// How often samples are written, milliseconds: at every probe, or at every part of a long interval.
    pub told_every_ms: i64,
    /// How long a probe may take.
    pub timeout: Duration,
    /// Failures in a row that do not yet make it count as down.
    pub retries: u32,
    /// Labels of all its samples.
    pub tags: Vec<(String, String)>,
    /// Who cares for the target; empty for nobody in particular. Also a label.
    pub owner: String,
    /// Monitors without whose targets this one's cannot be reached.
    pub depends_on: Vec<String>,
    /// How long its certificates must still be valid.
    pub certificate_life: Duration,
    /// The time from which on it counts as slow.
    pub slow_after: Duration,
}

impl Monitor {
    /// How many times an interval what was found is told: once, or more often where the interval is long.
    pub(super) fn tellings(&self) -> i64 {
        (self.interval_ms / self.told_every_ms.max(1)).max(1)
    }

    /// Reads the list. `modules` are those that can be named beside the built-in ones; paths are relative to `base`.
    pub fn decode_all(node: &Node, modules: &Modules, base: &PathBase) -> Result<Vec<Arc<Monitor>>> {
        let mut seen = HashSet::new();
        let mut built_in: HashMap<String, Arc<Module>> = HashMap::new();
        let mut items: Vec<&Node> = Vec::new();
        let monitors = node.list(|node| {
            let monitor = Monitor::decode(node, modules, &mut built_in, base)?;
            if !seen.insert(monitor.name.clone()) {
                return Err(node.error(format!("there is a monitor {:?} already", monitor.name)));
            }
            if seen.len() > MONITORS_MAX {
                return Err(node.error(format!("more than {MONITORS_MAX} monitors")));
            }
            items.push(node);
            Ok(Arc::new(monitor))
        })?;
        check_dependencies(&monitors, &items)?;
        Ok(monitors)
    }

    fn decode(
        node: &Node,
        modules: &Modules,
        shared: &mut HashMap<String, Arc<Module>>,
        base: &PathBase,
    ) -> Result<Monitor> {
        let mut fields = node.fields("monitor")?;
        let needed = |node: &Node| match node.string()? {
            text if text.is_empty() => Err(node.error("it must not be empty")),
            text => Ok(text),
        };
        let name = fields.optional("name", needed)?;
        let target = fields.optional("target", needed)?;
        let module = match fields.take("module") {
            None => known_module("http", modules, shared).ok_or_else(|| node.error("no module http"))?,
            Some(node) if matches!(node.value, Value::Mapping(_)) => Arc::new(Module::decode(node, base)?),
            Some(node) => {
                let name = node.string()?;
                known_module(&name, modules, shared).ok_or_else(|| {
                    let mut known: Vec<&str> = modules.names().chain(Module::BUILT_IN).collect();
                    known.sort_unstable();
                    known.dedup();
                    known.truncate(20);
                    node.error(format!("there is no module {name:?}; there are {}", known.join(", ")))
                })?
            }
        };
        let interval_ms = fields.or("interval", INTERVAL_MS, |node| match node.duration_ms()? {
            interval_ms if interval_ms < INTERVAL_MIN_MS => {
                Err(node.error(format!("expected an interval of at least 1s, found {}", node.shown())))
            }
            interval_ms if interval_ms > INTERVAL_MAX_MS => {
                Err(node.error(format!("expected an interval of at most 7d, found {}", node.shown())))
            }
            interval_ms => Ok(interval_ms),
        })?;
        let interval = Duration::from_millis(interval_ms.unsigned_abs());
        let default_timeout = module.timeout.unwrap_or(TIMEOUT).min(interval * 4 / 5);
        let timeout = fields.or("timeout", default_timeout, |node| match duration(node)? {
            timeout if timeout.is_zero() || timeout > interval => Err(node.error(format!(
                "expected a time above 0 and not above the interval, found {}",
                node.shown()
            ))),
            timeout => Ok(timeout),
        })?;
        let monitor = Monitor {
            interval_ms,
            told_every_ms: told_every_ms(interval_ms),
            timeout,
            retries: fields.or("retries", RETRIES, |node| {
                u32::try_from(node.unsigned()?).map_err(|_| node.error("too many retries"))
            })?,
            tags: fields.or("tags", Vec::new(), tags)?,
            owner: fields.or("owner", String::new(), Node::string)?,
            depends_on: fields.or("depends_on", Vec::new(), |node| match node.value {
                Value::Scalar { .. } => Ok(vec![node.string()?]),
                _ => node.strings(),
            })?,
            certificate_life: fields.or("certificate_life", CERTIFICATE_LIFE, duration_of_days)?,
            slow_after: fields.or("slow_after", timeout / 2, |node| match duration(node)? {
                slow if slow.is_zero() => Err(node.error("expected a time above 0")),
                slow => Ok(slow),
            })?,
            name: name.ok_or_else(|| node.error("a monitor needs a name"))?,
            target: target.ok_or_else(|| node.error("a monitor needs a target"))?,
            module,
        };
        fields.finish()?;
        Ok(monitor)
    }
}

fn known_module(
    name: &str,
    modules: &Modules,
    shared: &mut HashMap<String, Arc<Module>>,
) -> Option<Arc<Module>> {
    if let Some(module) = shared.get(name) {
        return Some(module.clone());
    }
    let module = Arc::new(modules.get(name).cloned().or_else(|| Module::built_in(name))?);
    shared.insert(name.to_string(), module.clone());
    Some(module)
}

fn duration_of_days(node: &Node) -> Result<Duration> {
    Ok(Duration::from_millis(node.duration_ms()?.unsigned_abs()))
}

fn tags(node: &Node) -> Result<Vec<(String, String)>> {
    let tags = node.map(Node::string)?;
    if tags.len() > TAGS_MAX {
        return Err(node.error(format!("more than {TAGS_MAX} tags")));
    }
    for (name, _) in &tags {
        if !is_plain_label_name(name) || RESERVED_TAGS.contains(&name.as_str()) {
            return Err(node.error(format!(
                "{name:?} cannot be a tag: a tag is a label that no sample of a monitor has by itself"
            )));
        }
    }
    Ok(tags)
}

/// Whether all that is depended on exists, and nothing depends on itself.
fn check_dependencies(monitors: &[Arc<Monitor>], nodes: &[&Node]) -> Result<()> {
    let place: HashMap<&str, usize> =
        monitors.iter().enumerate().map(|(at, monitor)| (monitor.name.as_str(), at)).collect();
    for (monitor, node) in monitors.iter().zip(nodes) {
        for name in &monitor.depends_on {
            if !place.contains_key(name.as_str()) {
                return Err(
                    node.error(format!("{:?} depends on {name:?}, which is no monitor", monitor.name))
                );
            }
        }
    }
    // What has no dependency left is taken away until nothing is left, or only circles.
    let mut open: Vec<usize> = monitors.iter().map(|monitor| monitor.depends_on.len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); monitors.len()];
    for (at, monitor) in monitors.iter().enumerate() {
        for name in &monitor.depends_on {
            if let Some(on) = place.get(name.as_str()) {
                dependents[*on].push(at);
            }
        }
    }
    let mut free: Vec<usize> = (0..monitors.len()).filter(|at| open[*at] == 0).collect();
    let mut count = 0;
    while let Some(at) = free.pop() {
        count += 1;
        for dependent in &dependents[at] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    match (0..monitors.len()).find(|at| open[*at] > 0).filter(|_| count < monitors.len()) {
        Some(at) => {
            Err(nodes[at].error(format!("{:?} depends on itself, by way of others", monitors[at].name)))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn decode(text: &str) -> Result<Vec<Arc<Monitor>>> {
        let modules =
            Modules::parse("modules: {special: {prober: http, timeout: 3s}}", &PathBase::new(Path::new("")))
                .unwrap();
        Monitor::decode_all(&Node::parse(text).unwrap(), &modules, &PathBase::new(Path::new("/etc")))
    }

    #[test]
    fn a_monitor_needs_a_name_and_a_target_and_has_sensible_defaults() {
        let monitors = decode(
            "- {name: shop, target: 'https://shop.test'}\n- {name: router, target: 192.0.2.1, module: icmp, interval: 5s, depends_on: shop}\n\
             - {name: dns, target: 192.0.2.1, module: {prober: dns, dns: {query_name: a.test}}, tags: {team: x}, certificate_life: 30d}\n\
             - {name: s, target: x, module: special}\n",
        )
        .unwrap();
        let shop = &monitors[0];
        assert_eq!((shop.interval_ms, shop.timeout.as_secs(), shop.retries), (20_000, 10, 1));
        assert_eq!((shop.slow_after.as_secs(), shop.certificate_life.as_secs()), (5, 14 * 86_400));
        assert_eq!((shop.module.prober(), monitors[1].timeout.as_secs()), ("http", 4));
        assert_eq!(
            (monitors[2].module.prober(), monitors[2].certificate_life.as_secs()),
            ("dns", 30 * 86_400)
        );
        assert_eq!(monitors[3].timeout.as_secs(), 3);
    }

    #[test]
    fn mistakes_say_what_and_where() {
        for (text, expected) in [
            ("- {target: x}", "a monitor needs a name"),
            ("- {name: x}", "a monitor needs a target"),
            (
                "- {name: x, target: y}\n- {name: x, target: z}",
                "line 2, column 3: there is a monitor \"x\" already",
            ),
            ("- {name: x, target: y, module: htp}", "there is no module \"htp\"; there are grpc, http"),
            ("- {name: x, target: y, interval: 10ms}", "at least 1s"),
            ("- {name: x, target: y, interval: 5s, timeout: 6s}", "not above the interval"),
            ("- {name: x, target: y, tags: {instance: z}}", "\"instance\" cannot be a tag"),
            ("- {name: x, target: y, tags: {a-b: z}}", "\"a-b\" cannot be a tag"),
            ("- {name: x, target: y, depends_on: [z]}", "\"x\" depends on \"z\", which is no monitor"),
            (
                "- {name: x, target: y, depends_on: [z]}\n- {name: z, target: y, depends_on: [x]}",
                "\"x\" depends on itself",
            ),
            ("- {name: x, target: y, targt: z}", "did you mean target?"),
        ] {
            let error = decode(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n  {error}");
        }
    }
}
