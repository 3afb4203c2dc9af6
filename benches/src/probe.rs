//! Many HTTP monitors of one server on loopback: what they cost the program that probes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::peers::Program;
use crate::{CLOCK, process};

/// Threads that answer probes.
const ANSWERING_THREADS: usize = 4;
/// Seconds between two probes of a monitor.
const INTERVAL_S: u64 = 20;

/// What monitors cost.
pub(crate) struct Cost {
    /// Processors busy.
    pub(crate) cores: f64,
    /// CPU of a probe, its storage included.
    pub(crate) probe_cpu_us: f64,
    /// Resident memory for each monitor.
    pub(crate) monitor_bytes: f64,
    /// Probes that were answered in the window, and those that were due.
    pub(crate) answered: u64,
    pub(crate) due: u64,
}

/// Runs so many monitors and measures them for a while.
pub(crate) fn measure(
    program: &Program,
    dir: &Path,
    port: u16,
    monitors: u64,
    window: Duration,
) -> Result<Cost, String> {
    let answered = serve(port + 1)?;
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut config = format!(
        "listen: 127.0.0.1:{port}\ndata_dir: data\nmachine: {{watch: false, alerts: false}}\nmonitors:\n"
    );
    for number in 0..monitors {
        config.push_str(&format!(
            "- {{name: monitor-{number:05}, target: 'http://127.0.0.1:{}/{number}', interval: {INTERVAL_S}s, tags: {{team: team-{}}}}}\n",
            port + 1,
            number % 20
        ));
    }
    let file = dir.join("promontory.yml");
    fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
    let log = fs::File::create(dir.join("log")).map_err(|error| error.to_string())?;
    let mut child = Command::new(&program.path)
        .args(["run", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.path.display()))?;
    let outcome = watch(child.id(), &answered, monitors, window);
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

fn watch(pid: u32, answered: &AtomicU64, monitors: u64, window: Duration) -> Result<Cost, String> {
    let gone = || "it ended; its log says why".to_string();
    // The first round makes all series; what is asked is what goes on for ever.
    let start = CLOCK.mark();
    while answered.load(Relaxed) < monitors * 3 / 2 {
        if start.elapsed() > Duration::from_secs(10 * INTERVAL_S) {
            return Err(format!("only {} probes came", answered.load(Relaxed)));
        }
        thread::sleep(Duration::from_millis(200));
        process::cpu_s(pid).ok_or_else(gone)?;
    }
    let (before_s, before, began) =
        (process::cpu_s(pid).ok_or_else(gone)?, answered.load(Relaxed), CLOCK.mark());
    thread::sleep(window);
    let (cpu_s, count) = (process::cpu_s(pid).ok_or_else(gone)? - before_s, answered.load(Relaxed) - before);
    let elapsed_s = began.elapsed_seconds();
    let memory = process::memory(pid).ok_or_else(gone)?;
    Ok(Cost {
        cores: cpu_s / elapsed_s,
        probe_cpu_us: cpu_s * 1e6 / count.max(1) as f64,
        monitor_bytes: memory.resident_bytes as f64 / monitors as f64,
        answered: count,
        due: (monitors as f64 * elapsed_s / INTERVAL_S as f64) as u64,
    })
}

/// Answers every request, on a connection of its own, with a small page.
fn serve(port: u16) -> Result<Arc<AtomicU64>, String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| format!("port {port}: {error}"))?;
    let listener = Arc::new(listener);
    let answered = Arc::new(AtomicU64::new(0));
    for _ in 0..ANSWERING_THREADS {
        let (listener, answered) = (listener.clone(), answered.clone());
        thread::spawn(move || {
            let page = "<html><body>all is well</body></html>\n".repeat(20);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let mut request = [0; 4096];
            while let Ok((mut stream, _)) = listener.accept() {
                // A probe that goes away is no error here.
                let read = stream.read(&mut request).unwrap_or(0);
                if read > 0 && stream.write_all(answer.as_bytes()).is_ok() {
                    answered.fetch_add(1, Relaxed);
                }
            }
        });
    }
    Ok(answered)
}
