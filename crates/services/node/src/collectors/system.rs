//! The kernel as a whole: load, processes, interrupts, pressure.

use model::MetricType;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

pub(super) fn loadavg(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc_line("loadavg")?;
    let mut fields = text.split_ascii_whitespace();
    for (name, help) in [
        ("node_load1", "Load average over 1 minute."),
        ("node_load5", "Load average over 5 minutes."),
        ("node_load15", "Load average over 15 minutes."),
    ] {
        let value = fields.next().and_then(number).ok_or_else(|| Error::malformed("loadavg"))?;
        page.gauge(name, help, &[], value);
    }
    Ok(())
}

pub(super) fn stat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    use MetricType::{Counter, Gauge};
    let text = run.files.proc("stat")?;
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(' ') else { continue };
        let (name, metric_type, help) = match key {
            "intr" => ("node_intr_total", Counter, "Interrupts served."),
            "ctxt" => ("node_context_switches_total", Counter, "Switches from one task to another."),
            "processes" => ("node_forks_total", Counter, "Tasks created."),
            "btime" => {
                ("node_boot_time_seconds", Gauge, "When the machine was started, in seconds since 1970.")
            }
            "procs_running" => ("node_procs_running", Gauge, "Tasks that could run."),
            "procs_blocked" => ("node_procs_blocked", Gauge, "Tasks that wait for a device."),
            "softirq" if run.config.softirqs => {
                let vectors = [
                    "hi",
                    "timer",
                    "net_tx",
                    "net_rx",
                    "block",
                    "block_iopoll",
                    "tasklet",
                    "sched",
                    "hrtimer",
                    "rcu",
                ];
                for (vector, count) in vectors.iter().zip(rest.split_ascii_whitespace().skip(1)) {
                    let count = number(count).ok_or_else(|| Error::malformed("stat"))?;
                    page.counter(
                        "node_softirqs_total",
                        "Soft interrupts served.",
                        &[("vector", vector)],
                        count,
                    );
                }
                continue;
            }
            _ => continue,
        };
        let first = rest.split_ascii_whitespace().next();
        let value = first.and_then(number).ok_or_else(|| Error::malformed("stat"))?;
        page.add(name, metric_type, help, &[], value);
    }
    Ok(())
}

pub(super) fn pressure(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let mut found = false;
    for (resource, some, full, help) in [
        (
            "cpu",
            "node_pressure_cpu_waiting_seconds_total",
            "",
            ["Time in which some task waited for a processor.", ""],
        ),
        (
            "io",
            "node_pressure_io_waiting_seconds_total",
            "node_pressure_io_stalled_seconds_total",
            ["Time in which some task waited for a device.", "Time in which all tasks waited for devices."],
        ),
        (
            "memory",
            "node_pressure_memory_waiting_seconds_total",
            "node_pressure_memory_stalled_seconds_total",
            ["Time in which some task waited for memory.", "Time in which all tasks waited for memory."],
        ),
        (
            "irq",
            "",
            "node_pressure_irq_stalled_seconds_total",
            ["", "Time in which all tasks waited for interrupts to be served."],
        ),
    ] {
        let text = match run.files.proc_line(&format!("pressure/{resource}")) {
            Ok(text) => text,
            Err(Error::NoData) => continue,
            // The kernel knows pressure but was told not to measure it.
            Err(Error::Read { .. }) => return Err(Error::NoData),
            Err(error) => return Err(error),
        };
        found = true;
        for line in text.lines() {
            let (name, help) = match line.split(' ').next() {
                Some("some") => (some, help[0]),
                Some("full") => (full, help[1]),
                _ => continue,
            };
            let total = line.split(' ').find_map(|field| number(field.strip_prefix("total=")?));
            let total = total.ok_or_else(|| Error::malformed("pressure"))?;
            if !name.is_empty() {
                page.counter(name, help, &[], total / 1000.0 / 1000.0);
            }
        }
    }
    if found { Ok(()) } else { Err(Error::NoData) }
}

pub(super) fn filefd(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc_line("sys/fs/file-nr")?;
    let fields: Option<Vec<f64>> = text.split_ascii_whitespace().map(number).collect();
    let Some([allocated, _, maximum]) = fields.as_deref() else { return Err(Error::malformed("file-nr")) };
    page.gauge("node_filefd_allocated", "Open files of the whole machine.", &[], *allocated);
    page.gauge("node_filefd_maximum", "The most files that may be open.", &[], *maximum);
    Ok(())
}

pub(super) fn entropy(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    for (file, name, help) in [
        ("entropy_avail", "node_entropy_available_bits", "Entropy at hand."),
        ("poolsize", "node_entropy_pool_size_bits", "Size of the entropy pool."),
    ] {
        let text = run.files.proc_line(&format!("sys/kernel/random/{file}"))?;
        let value = number(text.trim()).ok_or_else(|| Error::malformed(file))?;
        page.gauge(name, help, &[], value);
    }
    Ok(())
}

pub(super) fn kernel_hung(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc_line("sys/kernel/hung_task_detect_count")?;
    let value = number(text.trim()).ok_or_else(|| Error::malformed("hung_task_detect_count"))?;
    page.counter("node_kernel_hung_tasks_total", "Tasks found hanging since the start.", &[], value);
    Ok(())
}

pub(super) fn schedstat(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("schedstat")?;
    for line in text.lines() {
        let Some((cpu, rest)) = line.strip_prefix("cpu").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let fields: Option<Vec<f64>> = rest.split_ascii_whitespace().map(number).collect();
        let Some([.., running, waiting, slices]) = fields.as_deref() else {
            return Err(Error::malformed("schedstat"));
        };
        let labels = [("cpu", cpu)];
        let help = "Time tasks ran on a processor.";
        page.counter("node_schedstat_running_seconds_total", help, &labels, running / 1e9);
        let help = "Time tasks waited for a processor.";
        page.counter("node_schedstat_waiting_seconds_total", help, &labels, waiting / 1e9);
        page.counter("node_schedstat_timeslices_total", "Slices of time given to tasks.", &labels, *slices);
    }
    Ok(())
}

pub(super) fn softirqs(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("softirqs")?;
    let mut lines = text.lines();
    let cpus: Vec<&str> = lines
        .next()
        .unwrap_or("")
        .split_ascii_whitespace()
        .map(|cpu| cpu.trim_start_matches("CPU"))
        .collect();
    for line in lines {
        let Some((vector, counts)) = line.trim().split_once(':') else { continue };
        for (cpu, count) in cpus.iter().zip(counts.split_ascii_whitespace()) {
            let count = number(count).ok_or_else(|| Error::malformed("softirqs"))?;
            let labels = [("cpu", *cpu), ("type", vector)];
            page.counter("node_softirqs_functions_total", "Soft interrupts by processor.", &labels, count);
        }
    }
    Ok(())
}

pub(super) fn interrupts(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("interrupts")?;
    let mut lines = text.lines();
    let cpus: Vec<&str> = lines
        .next()
        .unwrap_or("")
        .split_ascii_whitespace()
        .map(|cpu| cpu.trim_start_matches("CPU"))
        .collect();
    for line in lines {
        let Some((name, rest)) = line.trim().split_once(':') else { continue };
        let mut fields = rest.split_ascii_whitespace();
        let counts: Vec<f64> = fields.by_ref().take(cpus.len()).map_while(number).collect();
        // Lines with fewer numbers (ERR, MIS) belong to no processor.
        if counts.len() < cpus.len() {
            continue;
        }
        let words: Vec<&str> = fields.collect();
        // A hardware interrupt names its controller and pin, then its devices; others are text.
        let is_hardware = name.bytes().all(|b| b.is_ascii_digit());
        let (info, devices) = if is_hardware && !words.is_empty() {
            (words.first().copied().unwrap_or("").to_string(), words.get(1..).unwrap_or_default().join(" "))
        } else {
            (words.join(" "), String::new())
        };
        if run.filters.interrupts.is_set()
            && !run.filters.interrupts.takes(&[name, &info, &devices].join(";"))
        {
            continue;
        }
        for (cpu, count) in cpus.iter().zip(counts) {
            if count == 0.0 && !run.config.interrupts_zeros {
                continue;
            }
            let labels = [("cpu", *cpu), ("devices", &devices), ("info", &info), ("type", name)];
            page.counter("node_interrupts_total", "Interrupts by processor and cause.", &labels, count);
        }
    }
    Ok(())
}
