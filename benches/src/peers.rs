//! Servers under measurement: which are installed, started on loopback in a fresh directory, watched,
//! stopped or killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::CLOCK;
use crate::http::Client;
use crate::process::{self, Memory};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Promontory,
    Prometheus,
    VictoriaMetrics,
    NodeExporter,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] =
        [Kind::Promontory, Kind::Prometheus, Kind::VictoriaMetrics, Kind::NodeExporter];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Promontory => "promontory",
            Kind::Prometheus => "prometheus",
            Kind::VictoriaMetrics => "victoria-metrics",
            Kind::NodeExporter => "node-exporter",
        }
    }

    fn port(self, base: u16) -> u16 {
        base + self as u16
    }
}

/// A program that can be started as a server.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    pub(crate) version: String,
    /// The first of the ports that servers listen on, one for each kind.
    pub(crate) base_port: u16,
}

impl Program {
    /// Looks for a program at a path, or by its name on `PATH`; says why not if it is not there.
    pub(crate) fn find(kind: Kind, path: &Path, base_port: u16) -> Result<Program, String> {
        let run = |flag: &str| Command::new(path).arg(flag).stdin(Stdio::null()).output();
        let output = run("--version").map_err(|error| format!("{}: {error}", path.display()))?;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let number = |text: &String| {
            let mut words = text.split(|c: char| c.is_whitespace() || c == '-' || c == ',');
            words.find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit())).map(
                |word| {
                    let word = word.trim_start_matches('v');
                    word.split('+').next().unwrap_or(word).to_string()
                },
            )
        };
        let version = text.iter().find_map(number).filter(|version| version.contains('.'));
        // Debian's VictoriaMetrics does not know its own version; Debian does.
        let packaged = || {
            let query =
                Command::new("dpkg-query").args(["-W", "-f", "${Version}"]).arg(path).output().ok()?;
            number(&String::from_utf8(query.stdout).ok()?)
        };
        let version = version.or_else(packaged).unwrap_or_default();
        Ok(Program { kind, path: path.to_path_buf(), version, base_port })
    }

    /// As the table's head names it.
    pub(crate) fn title(&self) -> String {
        let name = match self.kind {
            Kind::Promontory => "Promontory",
            Kind::Prometheus => "Prometheus",
            Kind::VictoriaMetrics => "VictoriaMetrics",
            Kind::NodeExporter => "node_exporter",
        };
        format!("{name} {}", self.version).trim_end().to_string()
    }

    /// Starts a server whose data is in `dir`, with a scrape configuration if there is one and flags
    /// of its own. A `promontory.yml` in `dir` is ours. Returns as soon as the process runs.
    pub(crate) fn spawn(&self, dir: &Path, scrape: Option<&str>, flags: &[String]) -> Result<Server, String> {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let port = self.kind.port(self.base_port);
        let address = format!("127.0.0.1:{port}");
        if std::net::TcpStream::connect(&address).is_ok() {
            return Err(format!("something else listens on {address}: choose other ports with --port"));
        }
        let config = dir.join("scrape.yml");
        let text = scrape.unwrap_or("global: {scrape_interval: 15s}\n");
        fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let data = dir.join("data");
        let mut command = Command::new(&self.path);
        let own_config = dir.join("promontory.yml");
        match self.kind {
            Kind::Promontory if own_config.exists() => {
                command
                    .arg(format!("--config={}", own_config.display()))
                    .arg(format!("--prometheus.config={}", config.display()))
                    .arg(format!("--data-dir={}", data.display()))
                    .arg(format!("--listen={address}"));
            }
            Kind::Promontory | Kind::Prometheus => {
                if self.kind == Kind::Promontory {
                    command.arg("prometheus");
                }
                command
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--storage.tsdb.path={}", data.display()))
                    .arg(format!("--web.listen-address={address}"))
                    .arg("--web.enable-remote-write-receiver")
                    .arg("--storage.tsdb.retention.time=15d");
            }
            Kind::NodeExporter => return Err("node_exporter is no server of metrics".to_string()),
            Kind::VictoriaMetrics => {
                command
                    .arg(format!("-storageDataPath={}", data.display()))
                    .arg(format!("-httpListenAddr={address}"))
                    .arg("-retentionPeriod=1")
                    .arg("-search.maxQueryDuration=120s");
                if scrape.is_some() {
                    command.arg(format!("-promscrape.config={}", config.display()));
                }
            }
        }
        command.args(flags);
        let log_path = dir.join("log");
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(|error| format!("{}: {error}", log_path.display()))?;
        let second = log.try_clone().map_err(|error| error.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        Ok(Server { kind: self.kind, address, data, log: log_path, child })
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start(&self, dir: &Path, scrape: Option<&str>, flags: &[String]) -> Result<Server, String> {
        let mut server = self.spawn(dir, scrape, flags)?;
        server.wait_until_ready(Duration::from_secs(120))?;
        Ok(server)
    }
}

/// A running server; it is killed when it goes out of scope.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// HOST:PORT.
    pub(crate) address: String,
    /// Its data directory.
    pub(crate) data: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu_s(&self) -> Result<f64, String> {
        process::cpu_s(self.pid()).ok_or_else(|| self.gone())
    }

    pub(crate) fn memory(&self) -> Result<Memory, String> {
        process::memory(self.pid()).ok_or_else(|| self.gone())
    }

    /// Whether the process still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn gone(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(1_500);
        let tail = log.get(from..).unwrap_or_default();
        format!("{} ended by itself; the end of its log:\n{tail}", self.kind.name())
    }

    pub(crate) fn is_ready(&self) -> bool {
        let path = if self.kind == Kind::VictoriaMetrics { "/health" } else { "/-/ready" };
        Client::new(&self.address).get(path).is_ok_and(|reply| reply.status == 200)
    }

    pub(crate) fn wait_until_ready(&mut self, timeout: Duration) -> Result<(), String> {
        let started = CLOCK.mark();
        while !self.is_ready() {
            if !self.runs() {
                return Err(self.gone());
            }
            if started.elapsed() > timeout {
                return Err(format!("{} was not ready after {timeout:?}", self.kind.name()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until what a load started in the background has ended too: at least `least_s`, then
    /// until a second takes less than 40 ms of CPU, at most for a minute.
    pub(crate) fn settle(&self, least_s: f64) -> Result<(), String> {
        thread::sleep(Duration::from_secs_f64(least_s));
        for _ in 0..60 {
            let before = self.cpu_s()?;
            thread::sleep(Duration::from_secs(1));
            if self.cpu_s()? - before < 0.04 {
                break;
            }
        }
        Ok(())
    }

    /// Ends it at once, as a power cut or the kernel would (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended already; nothing else can go wrong with a child of ours.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Bytes of all files under a folder; what vanishes meanwhile counts as nothing.
pub(crate) fn size_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Program::find(Kind::Prometheus, Path::new("/nowhere/prometheus"), 1).unwrap_err();
        assert!(error.contains("/nowhere/prometheus"), "{error}");
    }

    #[test]
    fn the_size_of_a_folder_is_that_of_all_files_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 10]).unwrap();
        fs::write(folder.path().join("c"), [0; 5]).unwrap();
        assert_eq!(size_bytes(folder.path()), 15);
        assert_eq!(size_bytes(&folder.path().join("missing")), 0);
    }
}
