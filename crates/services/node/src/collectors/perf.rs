//! Events that processors and kernel count: cycles, misses, faults.

use std::os::fd::OwnedFd;

use crate::files::number;
use crate::page::{Page, name_part};
use crate::perf_event::{self, CACHE, HARDWARE, SOFTWARE, TRACEPOINT};
use crate::{Error, Run};

/// Name on the command line, metric, number in the kernel.
type Event = (&'static str, &'static str, u64);

const HARDWARE_EVENTS: [Event; 9] = [
    ("CpuCycles", "cpucycles_total", 0),
    ("CpuInstr", "instructions_total", 1),
    ("CacheRef", "cache_refs_total", 2),
    ("CacheMisses", "cache_misses_total", 3),
    ("BranchInstr", "branch_instructions_total", 4),
    ("BranchMisses", "branch_misses_total", 5),
    ("StalledCyclesFrontend", "stalled_cycles_frontend_total", 7),
    ("StalledCyclesBackend", "stalled_cycles_backend_total", 8),
    ("RefCpuCycles", "ref_cpucycles_total", 9),
];

const SOFTWARE_EVENTS: [Event; 5] = [
    ("PageFault", "page_faults_total", 2),
    ("ContextSwitch", "context_switches_total", 3),
    ("CpuMigration", "cpu_migrations_total", 4),
    ("MinorFault", "minor_faults_total", 5),
    ("MajorFault", "major_faults_total", 6),
];

/// Which cache, what was done, how it ended: 0 found, 1 missed.
const fn cache(id: u64, write: u64, miss: u64) -> u64 {
    id | (write << 8) | (miss << 16)
}

const CACHE_EVENTS: [Event; 16] = [
    ("L1DataReadHit", "cache_l1d_read_hits_total", cache(0, 0, 0)),
    ("L1DataReadMiss", "cache_l1d_read_misses_total", cache(0, 0, 1)),
    ("L1DataWriteHit", "cache_l1d_write_hits_total", cache(0, 1, 0)),
    ("L1InstrReadMiss", "cache_l1_instr_read_misses_total", cache(1, 0, 1)),
    ("LLReadHit", "cache_ll_read_hits_total", cache(2, 0, 0)),
    ("LLReadMiss", "cache_ll_read_misses_total", cache(2, 0, 1)),
    ("LLWriteHit", "cache_ll_write_hits_total", cache(2, 1, 0)),
    ("LLWriteMiss", "cache_ll_write_misses_total", cache(2, 1, 1)),
    ("DataTLBReadHit", "cache_tlb_data_read_hits_total", cache(3, 0, 0)),
    ("DataTLBReadMiss", "cache_tlb_data_read_misses_total", cache(3, 0, 1)),
    ("DataTLBWriteHit", "cache_tlb_data_write_hits_total", cache(3, 1, 0)),
    ("DataTLBWriteMiss", "cache_tlb_data_write_misses_total", cache(3, 1, 1)),
    ("InstrTLBReadHit", "cache_tlb_instr_read_hits_total", cache(4, 0, 0)),
    ("InstrTLBReadMiss", "cache_tlb_instr_read_misses_total", cache(4, 0, 1)),
    ("BPUReadHit", "cache_bpu_read_hits_total", cache(5, 0, 0)),
    ("BPUReadMiss", "cache_bpu_read_misses_total", cache(5, 0, 1)),
];

/// The most processors that are counted on: each takes a descriptor for each event.
const CPUS_MAX: u32 = 4096;

/// A counter that runs.
pub(crate) struct Counter {
    metric: String,
    cpu: String,
    counter: OwnedFd,
}

pub(super) fn perf(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    if run.state.perf.is_none() {
        let counters = start(run)?;
        run.state.perf = Some(counters);
    }
    for counter in run.state.perf.iter().flatten() {
        let value = perf_event::read(&counter.counter).map_err(|error| Error::read("perf_event", error))?;
        let help = "Events that a processor or the kernel counted.";
        page.counter(&counter.metric, help, &[("cpu", &counter.cpu)], value as f64);
    }
    Ok(())
}

/// Counters count from here on, from one collection to the next.
fn start(run: &mut Run<'_>) -> Result<Vec<Counter>, Error> {
    let config = &run.config.perf;
    let mut counters = Vec::new();
    let malformed = || Error::malformed("collector.perf.cpus");
    let cpus = match config.cpus.as_str() {
        "" => {
            let online = run.files.sys_path("devices/system/cpu/online");
            let list = run.files.line(&online).unwrap_or("0").to_string();
            cpus(&list).ok_or_else(malformed)?
        }
        list => cpus(list).ok_or_else(malformed)?,
    };
    let mut tracepoints = Vec::new();
    for point in &config.tracepoints {
        let (system, event) =
            point.split_once(':').ok_or_else(|| Error::malformed("collector.perf.tracepoint"))?;
        let mut id = None;
        for tracing in ["kernel/tracing", "kernel/debug/tracing"] {
            let path = run.files.sys_path(tracing).join("events").join(system).join(event).join("id");
            id = id.or_else(|| run.files.line(&path).and_then(|id| id.parse::<u64>().ok()));
        }
        let id = id.ok_or(Error::NoData)?;
        tracepoints.push((format!("node_perf_{}_{}", name_part(system), name_part(event)), id));
    }
    let mut last = None;
    for cpu in cpus {
        let mut add = |kind: u32, metric: String, event: u64, must: bool| {
            match perf_event::open(kind, event, cpu) {
                Ok(counter) => counters.push(Counter { metric, cpu: cpu.to_string(), counter }),
                Err(error) if must => return Err(Error::read("perf_event", error)),
                // Not every processor counts everything.
                Err(error) => last = Some(error),
            }
            Ok(())
        };
        for (metric, id) in &tracepoints {
            add(TRACEPOINT, metric.clone(), *id, true)?;
        }
        for (kind, off, wanted, events) in [
            (HARDWARE, config.no_hardware_events, &config.hardware_events, &HARDWARE_EVENTS[..]),
            (SOFTWARE, config.no_software_events, &config.software_events, &SOFTWARE_EVENTS[..]),
            (CACHE, config.no_cache_events, &config.cache_events, &CACHE_EVENTS[..]),
        ] {
            let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
            for (_, metric, event) in events.iter().filter(|(name, ..)| !off && is_wanted(name)) {
                add(kind, ["node_perf_", metric].concat(), *event, false)?;
            }
        }
    }
    match last {
        Some(error) if counters.is_empty() => Err(Error::read("perf_event", error)),
        _ => Ok(counters),
    }
}

/// The processors of a list such as `0-7:2,9`: from, to, and in steps of.
fn cpus(list: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    let parse = |text: &str| number(text).filter(|n| *n < f64::from(CPUS_MAX)).map(|n| n as u32);
    for part in list.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let step = usize::try_from(parse(step)?).ok().filter(|step| *step > 0)?;
        cpus.extend((parse(first)?..=parse(last)?).step_by(step));
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    #[test]
    fn processors_are_listed_one_by_one_in_ranges_and_in_steps() {
        assert_eq!(super::cpus("1"), Some(vec![1]));
        assert_eq!(super::cpus("1-3,7"), Some(vec![1, 2, 3, 7]));
        assert_eq!(super::cpus("1-10:5"), Some(vec![1, 6]));
        for wrong in ["a", "1-", "1-9:0", "4096"] {
            assert_eq!(super::cpus(wrong), None, "{wrong}");
        }
    }
}
