//! Details of the kernel that are off by default: memory fragments, slabs, merged pages, IPsec,
//! caches of the network, processes; and bonded devices.

use std::collections::BTreeMap;

use model::MetricType::{Counter, Gauge};

use crate::files::{hex, number};
use crate::page::Page;
use crate::{Error, Run};

pub(super) fn buddyinfo(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("buddyinfo")?;
    for line in text.lines() {
        // "Node 0, zone   Normal   4381   1093 ..."
        let mut fields = line.split_ascii_whitespace();
        let (Some(_), Some(node), Some(_), Some(zone)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::malformed("buddyinfo"));
        };
        for (size, blocks) in fields.enumerate() {
            let blocks = number(blocks).ok_or_else(|| Error::malformed("buddyinfo"))?;
            let labels = [("node", node.trim_end_matches(',')), ("size", &size.to_string()), ("zone", zone)];
            page.gauge("node_buddyinfo_blocks", "Free blocks of 2^size pages.", &labels, blocks);
        }
    }
    Ok(())
}

pub(super) fn slabinfo(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("slabinfo")?;
    for line in text.lines().skip(2) {
        let mut fields = line.split_ascii_whitespace();
        let slab = fields.next().unwrap_or("");
        if !run.filters.slabs.takes(slab) {
            continue;
        }
        for (name, field) in [
            "node_slabinfo_active_objects",
            "node_slabinfo_objects",
            "node_slabinfo_object_size_bytes",
            "node_slabinfo_objects_per_slab",
            "node_slabinfo_pages_per_slab",
        ]
        .iter()
        .zip(fields)
        {
            let value = number(field).ok_or_else(|| Error::malformed("slabinfo"))?;
            page.gauge(name, "A cache of kernel objects.", &[("slab", slab)], value);
        }
    }
    Ok(())
}

pub(super) fn ksmd(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("kernel/mm/ksm");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for (file, name, metric_type, unit) in [
        ("full_scans", "full_scans_total", Counter, 1.0),
        ("general_profit", "general_profit_bytes", Gauge, 1.0),
        ("merge_across_nodes", "merge_across_nodes", Gauge, 1.0),
        ("pages_shared", "pages_shared", Gauge, 1.0),
        ("pages_sharing", "pages_sharing", Gauge, 1.0),
        ("pages_to_scan", "pages_to_scan", Gauge, 1.0),
        ("pages_unshared", "pages_unshared", Gauge, 1.0),
        ("pages_volatile", "pages_volatile", Gauge, 1.0),
        ("run", "run", Gauge, 1.0),
        ("sleep_millisecs", "sleep_seconds", Gauge, 1000.0),
    ] {
        // The profit may be negative.
        let value = run.files.line(&base.join(file)).and_then(|text| text.parse::<i64>().ok());
        if let Some(value) = value {
            let help = "How the kernel merges equal pages.";
            page.add(&["node_ksmd_", name].concat(), metric_type, help, &[], value as f64 / unit);
        }
    }
    Ok(())
}

pub(super) fn xfrm(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("net/xfrm_stat")?;
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (fields.next(), fields.next().and_then(number)) else { continue };
        // `XfrmInNoStates` is `in_no_states`.
        let mut name = "node_xfrm".to_string();
        for c in key.strip_prefix("Xfrm").unwrap_or(key).chars() {
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name.push_str("_packets_total");
        page.counter(&name, "Packets that IPsec refused, by cause.", &[], value);
    }
    Ok(())
}

pub(super) fn lnstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.config.paths.procfs.join("net/stat");
    for file in run.files.names(&base) {
        let Ok(text) = run.files.text(&base.join(&file)) else { continue };
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or("").split_ascii_whitespace().collect();
        for (cpu, line) in lines.enumerate() {
            let cpu = cpu.to_string();
            for (name, value) in names.iter().zip(line.split_ascii_whitespace()) {
                let value = hex(value).ok_or_else(|| Error::malformed(&file))?;
                let name = ["node_lnstat_", name, "_total"].concat();
                let labels = [("cpu", cpu.as_str()), ("subsystem", file.as_str())];
                page.counter(&name, "What a cache of the network counts.", &labels, value);
            }
        }
    }
    Ok(())
}

pub(super) fn cpu_vulnerabilities(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("devices/system/cpu/vulnerabilities");
    let names = run.files.names(&base);
    if names.is_empty() {
        return Err(Error::NoData);
    }
    for name in names {
        let Some(text) = run.files.line(&base.join(&name)) else { continue };
        let (state, mitigation) = text.split_once(':').unwrap_or((text, ""));
        let state = state.trim().to_ascii_lowercase();
        let labels = [("codename", name.as_str()), ("mitigation", mitigation.trim()), ("state", &state)];
        page.gauge("node_cpu_vulnerabilities_info", "What the kernel does about known bugs.", &labels, 1.0);
    }
    Ok(())
}

pub(super) fn processes(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.config.paths.procfs.clone();
    let (mut pids, mut threads) = (0.0, 0.0);
    let (mut states, mut thread_states) = (BTreeMap::<String, f64>::new(), BTreeMap::<String, f64>::new());
    for pid in run.files.names(&base) {
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let folder = base.join(&pid);
        // Processes and threads may end while we look.
        let Ok(text) = run.files.text_once(&folder.join("stat")) else { continue };
        let mut fields = behind_name(text);
        let Some(state) = fields.next().map(str::to_string) else { continue };
        // The state is field 3, the threads are field 20.
        threads += fields.nth(16).and_then(number).unwrap_or(0.0);
        pids += 1.0;
        let tasks = folder.join("task");
        for thread in run.files.names(&tasks) {
            if thread == pid {
                *thread_states.entry(state.clone()).or_default() += 1.0;
            } else if let Ok(text) = run.files.text_once(&tasks.join(&thread).join("stat"))
                && let Some(state) = behind_name(text).next()
            {
                *thread_states.entry(state.to_string()).or_default() += 1.0;
            }
        }
        *states.entry(state).or_default() += 1.0;
    }
    for (state, count) in &states {
        page.gauge("node_processes_state", "Processes by state.", &[("state", state)], *count);
    }
    for (state, count) in &thread_states {
        let labels = [("thread_state", state.as_str())];
        page.gauge("node_processes_threads_state", "Threads by state.", &labels, *count);
    }
    page.gauge("node_processes_pids", "Processes.", &[], pids);
    page.gauge("node_processes_threads", "Threads of all processes.", &[], threads);
    for (file, name, help) in [
        ("sys/kernel/threads-max", "node_processes_max_threads", "The most threads there may be."),
        ("sys/kernel/pid_max", "node_processes_max_processes", "The highest process number."),
    ] {
        let text = run.files.proc(file)?;
        page.gauge(name, help, &[], number(text.trim()).ok_or_else(|| Error::malformed(file))?);
    }
    Ok(())
}

/// The fields of a `stat` file behind the name, which may hold anything, also blanks and brackets.
fn behind_name(text: &str) -> std::str::SplitAsciiWhitespace<'_> {
    text.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace()
}

pub(super) fn bonding(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/net");
    let Some(masters) = run.files.line(&base.join("bonding_masters")).map(str::to_string) else {
        return Err(Error::NoData);
    };
    for master in masters.split_ascii_whitespace() {
        let folder = base.join(master);
        let Some(slaves) = run.files.line(&folder.join("bonding/slaves")).map(str::to_string) else {
            continue;
        };
        let (mut all, mut active) = (0.0, 0.0);
        for slave in slaves.split_ascii_whitespace() {
            all += 1.0;
            let state = ["lower_", "slave_"].iter().find_map(|prefix| {
                let path = folder.join(format!("{prefix}{slave}")).join("bonding_slave/mii_status");
                run.files.line(&path).map(str::to_string)
            });
            active += f64::from(u8::from(state.as_deref() == Some("up")));
        }
        let labels = [("master", master)];
        page.gauge("node_bonding_slaves", "Devices in a bond.", &labels, all);
        page.gauge("node_bonding_active", "Devices of a bond that are up.", &labels, active);
    }
    Ok(())
}

/// The fields of `/proc/zoneinfo` that are shown: theirs and our name. The first group of each node
/// stands for the node, all others for a zone.
const ZONE_FIELDS: [(&str, &str); 34] = [
    ("nr_free_pages", "nr_free_pages"),
    ("min", "min_pages"),
    ("low", "low_pages"),
    ("high", "high_pages"),
    ("scanned", "scanned_pages"),
    ("spanned", "spanned_pages"),
    ("present", "present_pages"),
    ("managed", "managed_pages"),
    ("nr_active_anon", "nr_active_anon_pages"),
    ("nr_inactive_anon", "nr_inactive_anon_pages"),
    ("nr_isolated_anon", "nr_isolated_anon_pages"),
    ("nr_anon_pages", "nr_anon_pages"),
    ("nr_anon_transparent_hugepages", "nr_anon_transparent_hugepages"),
    ("nr_active_file", "nr_active_file_pages"),
    ("nr_inactive_file", "nr_inactive_file_pages"),
    ("nr_isolated_file", "nr_isolated_file_pages"),
    ("nr_file_pages", "nr_file_pages"),
    ("nr_slab_reclaimable", "nr_slab_reclaimable_pages"),
    ("nr_slab_unreclaimable", "nr_slab_unreclaimable_pages"),
    ("nr_mlock_stack", "nr_mlock_stack_pages"),
    ("nr_kernel_stack", "nr_kernel_stacks"),
    ("nr_mapped", "nr_mapped_pages"),
    ("nr_dirty", "nr_dirty_pages"),
    ("nr_writeback", "nr_writeback_pages"),
    ("nr_unevictable", "nr_unevictable_pages"),
    ("nr_shmem", "nr_shmem_pages"),
    ("nr_dirtied", "nr_dirtied_total"),
    ("nr_written", "nr_written_total"),
    ("numa_hit", "numa_hit_total"),
    ("numa_miss", "numa_miss_total"),
    ("numa_foreign", "numa_foreign_total"),
    ("numa_interleave", "numa_interleave_total"),
    ("numa_local", "numa_local_total"),
    ("numa_other", "numa_other_total"),
];

pub(super) fn zoneinfo(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("zoneinfo")?;
    let mut place = None;
    let mut in_pagesets = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Node ") {
            let (node, zone) = rest.split_once(", zone").ok_or_else(|| Error::malformed("zoneinfo"))?;
            place = Some((node.trim(), zone.trim()));
            in_pagesets = false;
            continue;
        }
        let Some((node, zone)) = place else { continue };
        let labels = [("node", node), ("zone", zone)];
        let line = line.trim();
        in_pagesets |= line.starts_with("pagesets");
        if in_pagesets {
            continue;
        }
        let help = "Pages of a memory zone.";
        if let Some(list) = line.strip_prefix("protection:") {
            let list = list.trim().trim_start_matches('(').trim_end_matches(')');
            for (at, value) in list.split(", ").enumerate() {
                let value = number(value).ok_or_else(|| Error::malformed("zoneinfo"))?;
                page.gauge(&format!("node_zoneinfo_protection_{at}"), help, &labels, value);
            }
            continue;
        }
        let mut fields = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
        let Some((_, name)) = ZONE_FIELDS.iter().find(|(known, _)| *known == key) else { continue };
        let value = number(value).ok_or_else(|| Error::malformed("zoneinfo"))?;
        let metric_type = if name.ends_with("_total") { Counter } else { Gauge };
        page.add(&["node_zoneinfo_", name].concat(), metric_type, help, &labels, value);
    }
    Ok(())
}

pub(super) fn cgroups(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("cgroups")?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, _, count, enabled] = fields[..] else { return Err(Error::malformed("cgroups")) };
        let (Some(count), Some(enabled)) = (number(count), number(enabled)) else {
            return Err(Error::malformed("cgroups"));
        };
        let labels = [("subsys_name", name)];
        page.gauge("node_cgroups_cgroups", "Control groups of a controller.", &labels, count);
        page.gauge("node_cgroups_enabled", "Whether a controller is on.", &labels, enabled);
    }
    Ok(())
}
