//! Processors: time by mode, frequencies, throttling.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

/// How often the kernel counts processor time in `/proc/stat`, per second (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// If a processor's idle time falls by so much, it was taken out and put in again.
const HOTPLUG_SECONDS: f64 = 3.0;

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;

/// The highest times seen by processor: the kernel lets them fall now and then, and a counter must not.
pub(crate) type History = BTreeMap<u32, [f64; 10]>;

pub(super) fn cpu(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    if run.config.cpu_info {
        info(run, page)?;
    }
    times(run, page)?;
    isolated(run, page);
    topology(run, page);
    Ok(())
}

fn times(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("stat")?;
    let history = &mut run.state.cpus;
    let mut online: BTreeSet<u32> = BTreeSet::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("cpu") else { break };
        let mut fields = line.split_ascii_whitespace();
        // The first line sums all processors up.
        let Some(cpu) = fields.next().filter(|_| !line.starts_with(' ')).and_then(|cpu| cpu.parse().ok())
        else {
            continue;
        };
        let mut now = [0.0; 10];
        for (time, field) in now.iter_mut().zip(fields) {
            *time = number(field).ok_or_else(|| Error::malformed("stat"))? / TICKS_PER_SECOND;
        }
        online.insert(cpu);
        let seen = history.entry(cpu).or_insert(now);
        if seen[IDLE] - now[IDLE] >= HOTPLUG_SECONDS {
            *seen = now;
        }
        for (seen, now) in seen.iter_mut().zip(now) {
            *seen = seen.max(now);
        }
    }
    // A processor that was taken out does nothing, which is not the same as standing still.
    history.retain(|cpu, _| online.contains(cpu));
    let mut digits = itoa::Buffer::new();
    for (cpu, times) in history.iter() {
        let cpu = digits.format(*cpu);
        for (mode, seconds) in MODES.iter().zip(times) {
            page.counter(
                "node_cpu_seconds_total",
                "Time the processors spent in each mode.",
                &[("cpu", cpu), ("mode", mode)],
                *seconds,
            );
        }
        if run.config.cpu_guest {
            for (mode, seconds) in ["user", "nice"].iter().zip(&times[MODES.len()..]) {
                page.counter(
                    "node_cpu_guest_seconds_total",
                    "Time the processors spent in guests (virtual machines), by mode.",
                    &[("cpu", cpu), ("mode", mode)],
                    *seconds,
                );
            }
        }
    }
    Ok(())
}

fn info(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("cpuinfo")?;
    for (at, block) in text.split("\n\n").filter(|block| !block.trim().is_empty()).enumerate() {
        let fields: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let field = |name| fields.get(name).copied().unwrap_or("");
        let place =
            [("core", field("core id")), ("cpu", field("processor")), ("package", field("physical id"))];
        let [core, cpu, package] = place;
        let labels = [
            ("cachesize", field("cache size")),
            core,
            cpu,
            ("family", field("cpu family")),
            ("microcode", field("microcode")),
            ("model", field("model")),
            ("model_name", field("model name")),
            package,
            ("stepping", field("stepping")),
            ("vendor", field("vendor_id")),
        ];
        page.gauge("node_cpu_info", "What the processors are, from /proc/cpuinfo.", &labels, 1.0);
        if let Some(mhz) = number(field("cpu MHz")) {
            let help = "Current frequency of each hardware thread.";
            page.gauge("node_cpu_frequency_hertz", help, &place, mhz * 1e6);
        }
        if at > 0 {
            continue;
        }
        for (filter, field, name, label, help) in [
            (
                &run.filters.cpu_flags,
                field("flags"),
                "node_cpu_flag_info",
                "flag",
                "Features of the first processor.",
            ),
            (
                &run.filters.cpu_bugs,
                field("bugs"),
                "node_cpu_bug_info",
                "bug",
                "Known bugs of the first processor.",
            ),
        ] {
            let found = field.split_ascii_whitespace().filter(|f| filter.includes_some() && filter.takes(f));
            found.for_each(|found| page.gauge(name, help, &[(label, found)], 1.0));
        }
    }
    Ok(())
}

fn isolated(run: &mut Run<'_>, page: &mut Page) {
    let path = run.files.sys_path("devices/system/cpu/isolated");
    let Some(ranges) = run.files.line(&path) else { return };
    for range in ranges.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { return };
        for cpu in (first..=last).take(1 << 16) {
            let cpu = cpu.to_string();
            page.gauge(
                "node_cpu_isolated",
                "Processors that the scheduler leaves alone.",
                &[("cpu", &cpu)],
                1.0,
            );
        }
    }
}

fn topology(run: &mut Run<'_>, page: &mut Page) {
    let base = run.files.sys_path("devices/system/cpu");
    let mut cores: BTreeMap<(u64, u64), f64> = BTreeMap::new();
    let mut packages: BTreeMap<u64, f64> = BTreeMap::new();
    for name in numbered(&run.files.names(&base), "cpu") {
        let cpu = base.join(name);
        if let Some(online) = run.files.number(&cpu.join("online")) {
            let number = name.trim_start_matches("cpu");
            page.gauge("node_cpu_online", "Whether a processor is in use.", &[("cpu", number)], online);
        }
        let Some(package) = run.files.number(&cpu.join("topology/physical_package_id")) else { continue };
        let Some(core) = run.files.number(&cpu.join("topology/core_id")) else { continue };
        let (package, core) = (package as u64, core as u64);
        let throttle = cpu.join("thermal_throttle");
        if let std::collections::btree_map::Entry::Vacant(entry) = cores.entry((package, core)) {
            let Some(count) = run.files.number(&throttle.join("core_throttle_count")) else { continue };
            entry.insert(count);
        }
        if let std::collections::btree_map::Entry::Vacant(entry) = packages.entry(package)
            && let Some(count) = run.files.number(&throttle.join("package_throttle_count"))
        {
            entry.insert(count);
        }
    }
    for ((package, core), count) in cores {
        let (package, core) = (package.to_string(), core.to_string());
        let labels = [("core", core.as_str()), ("package", package.as_str())];
        page.counter(
            "node_cpu_core_throttles_total",
            "How often a core was slowed down by heat.",
            &labels,
            count,
        );
    }
    for (package, count) in packages {
        let help = "How often a package was slowed down by heat.";
        page.counter("node_cpu_package_throttles_total", help, &[("package", &package.to_string())], count);
    }
}

/// The names that are a prefix and digits.
fn numbered<'n>(names: &'n [String], prefix: &str) -> Vec<&'n str> {
    let is_numbered = |name: &&str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    names.iter().map(String::as_str).filter(is_numbered).collect()
}

pub(super) fn frequency(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("devices/system/cpu");
    let names = run.files.names(&base);
    let cpus = numbered(&names, "cpu");
    if cpus.is_empty() {
        return Err(Error::NoData);
    }
    for name in cpus {
        let folder = base.join(name).join("cpufreq");
        if !run.files.is_folder(&folder) {
            continue;
        }
        let cpu = name.trim_start_matches("cpu");
        for (file, metric, help) in [
            ("cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current frequency of each hardware thread."),
            (
                "cpuinfo_avg_freq",
                "node_cpu_frequency_avg_hertz",
                "Average frequency of each hardware thread.",
            ),
            ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Lowest frequency of each hardware thread."),
            (
                "cpuinfo_max_freq",
                "node_cpu_frequency_max_hertz",
                "Highest frequency of each hardware thread.",
            ),
            (
                "scaling_cur_freq",
                "node_cpu_scaling_frequency_hertz",
                "Current frequency as the governor sees it.",
            ),
            (
                "scaling_min_freq",
                "node_cpu_scaling_frequency_min_hertz",
                "Lowest frequency the governor may set.",
            ),
            (
                "scaling_max_freq",
                "node_cpu_scaling_frequency_max_hertz",
                "Highest frequency the governor may set.",
            ),
        ] {
            if let Some(khz) = run.files.number(&folder.join(file)) {
                page.gauge(metric, help, &[("cpu", cpu)], khz * 1000.0);
            }
        }
        let Some(current) = run.files.line(&folder.join("scaling_governor")).map(str::to_string) else {
            continue;
        };
        let Some(governors) = run.files.line(&folder.join("scaling_available_governors")) else { continue };
        for governor in governors.split_ascii_whitespace() {
            let is_current = f64::from(u8::from(governor == current));
            let help = "Which frequency governor is in use.";
            page.gauge(
                "node_cpu_scaling_governor",
                help,
                &[("cpu", cpu), ("governor", governor)],
                is_current,
            );
        }
    }
    Ok(())
}
