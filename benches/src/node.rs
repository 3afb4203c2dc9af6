//! Exporters of this machine's metrics: what a page costs, and what stays resident.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::CLOCK;
use crate::http::Client;
use crate::peers::{Kind, Program};
use crate::process;

/// Pages before the ones that count: files are opened, buffers grow.
const WARM_UP: u32 = 5;
/// Between two pages, so that caches of the processor are as cold as they are in life, more or less.
const PAUSE: Duration = Duration::from_millis(20);

/// What was found.
pub(crate) struct Cost {
    /// CPU of a page in ms.
    pub(crate) cpu_ms: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) samples: usize,
}

/// Starts the exporter with the collectors it has on by default, and asks for its page.
pub(crate) fn measure(program: &Program, dir: &Path, port: u16, pages: u32) -> Result<Cost, String> {
    std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let address = format!("127.0.0.1:{port}");
    let log_path = dir.join("log");
    let log = File::create(&log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
    let mut command = Command::new(&program.path);
    if program.kind == Kind::Promontory {
        command.arg("node-exporter");
    }
    command.arg(format!("--web.listen-address={address}"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let exporter = Exporter(child.map_err(|error| format!("{}: {error}", program.path.display()))?);
    let started = CLOCK.mark();
    let mut client = Client::new(&address);
    while !client.get("/metrics").is_ok_and(|reply| reply.status == 200) {
        if started.elapsed() > Duration::from_secs(20) {
            let log = std::fs::read_to_string(&log_path).unwrap_or_default();
            return Err(format!("{} does not answer:\n{log}", program.title()));
        }
        thread::sleep(Duration::from_millis(50));
        client = Client::new(&address);
    }
    let mut samples = 0;
    let mut page = || -> Result<(), String> {
        let reply = client.get("/metrics")?;
        let lines = reply.body.split(|byte| *byte == b'\n');
        samples = lines.filter(|line| !line.is_empty() && line[0] != b'#').count();
        thread::sleep(PAUSE);
        Ok(())
    };
    (0..WARM_UP).try_for_each(|_| page())?;
    let gone = || format!("{} ended by itself", program.title());
    let before_s = process::cpu_s(exporter.0.id()).ok_or_else(gone)?;
    (0..pages).try_for_each(|_| page())?;
    let cpu_s = process::cpu_s(exporter.0.id()).ok_or_else(gone)? - before_s;
    let memory = process::memory(exporter.0.id()).ok_or_else(gone)?;
    let cpu_ms = cpu_s * 1_000.0 / f64::from(pages);
    Ok(Cost { cpu_ms, resident_bytes: memory.resident_bytes, samples })
}

/// Killed when it goes out of scope.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended already; nothing else can go wrong with a child of ours.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
