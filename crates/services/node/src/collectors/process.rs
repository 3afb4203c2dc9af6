//! Our own process, under the names that all Prometheus clients use.

use std::path::Path;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

pub(crate) fn process(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.text(Path::new("/proc/self/stat"))?;
    // The second field is the name in parentheses, which may hold anything: count from its end.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = rest.split_ascii_whitespace().skip(1).map(|f| number(f).unwrap_or(0.0)).collect();
    let field =
        |number: usize| fields.get(number - 4).copied().ok_or_else(|| Error::malformed("/proc/self/stat"));
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let (cpu, threads, start) = ((field(14)? + field(15)?) / ticks, field(20)?, field(22)? / ticks);
    let (virtual_bytes, resident_bytes) = (field(23)?, field(24)? * rustix::param::page_size() as f64);
    page.counter("process_cpu_seconds_total", "Processor time of this process.", &[], cpu);
    page.gauge("process_virtual_memory_bytes", "Address space of this process.", &[], virtual_bytes);
    page.gauge("process_resident_memory_bytes", "Memory of this process.", &[], resident_bytes);
    page.gauge("process_threads", "Threads of this process.", &[], threads);
    let space = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let space = space.map_or(-1.0, |bytes| bytes as f64);
    let help = "The most address space this process may have, -1 for no limit.";
    page.gauge("process_virtual_memory_max_bytes", help, &[], space);
    if let Some((received, sent)) = run.state.octets.take() {
        let help = "Bytes that the network this process is in received.";
        page.counter("process_network_receive_bytes_total", help, &[], received);
        let help = "Bytes that the network this process is in sent.";
        page.counter("process_network_transmit_bytes_total", help, &[], sent);
    }
    if run.state.boot_seconds.is_none() {
        let text = run.files.text(Path::new("/proc/stat"))?;
        run.state.boot_seconds = text.lines().find_map(|line| number(line.strip_prefix("btime ")?));
    }
    if let Some(boot) = run.state.boot_seconds {
        let help = "When this process was started, in seconds since 1970.";
        page.gauge("process_start_time_seconds", help, &[], boot + start);
    }
    // The size of the folder is how many there are; before Linux 6.2 it was 0 and they had to be counted.
    let folder = Path::new("/proc/self/fd");
    let open = match std::fs::metadata(folder).map_or(0, |metadata| metadata.len()) {
        // One of them reads this folder.
        0 => std::fs::read_dir(folder).map_or(0, |open| open.count().saturating_sub(1)) as f64,
        open => open as f64,
    };
    page.gauge("process_open_fds", "Open files of this process.", &[], open);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit {
        page.gauge("process_max_fds", "The most files this process may open.", &[], limit as f64);
    }
    Ok(())
}
