//! `promtool debug`: what a server knows of itself, in one archive. A Prometheus has profiles; a Promontory has
//! the state of its queries, its store and its settings in their place.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;
use net::client::Limits;

use super::FAILURE;
use super::server::{HttpFlags, Server};

const ARCHIVE: &str = "debug.tar.gz";
/// Profiles are taken over 30 seconds.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(90), body_size_max_bytes: 1 << 30 };

const PROFILES: [(&str, &str); 7] = [
    ("/debug/pprof/profile?seconds=30", "cpu.pb"),
    ("/debug/pprof/block", "block.pb"),
    ("/debug/pprof/goroutine", "goroutine.pb"),
    ("/debug/pprof/heap", "heap.pb"),
    ("/debug/pprof/mutex", "mutex.pb"),
    ("/debug/pprof/threadcreate", "threadcreate.pb"),
    ("/debug/pprof/trace?seconds=30", "trace.pb"),
];
const STATE: [(&str, &str); 8] = [
    ("/api/v1/status/runtimeinfo", "runtimeinfo.json"),
    ("/api/v1/status/buildinfo", "buildinfo.json"),
    ("/api/v1/status/flags", "flags.json"),
    ("/api/v1/status/config", "config.json"),
    ("/api/v1/status/tsdb", "tsdb.json"),
    ("/api/v1/status/tsdb/blocks", "blocks.json"),
    ("/api/v1/status/cardinality", "cardinality.json"),
    ("/api/v1/status/queries", "queries.json"),
];
const METRICS: [(&str, &str); 1] = [("/metrics", "metrics.txt")];

/// Fetch debug information.
#[derive(Args)]
pub(super) struct Debug {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fetch profiling debug information; of a Promontory, the state of its queries and its store
    Pprof {
        /// Server to get profiles from
        server: String,
    },
    /// Fetch metrics debug information
    Metrics {
        /// Server to get metrics from
        server: String,
    },
    /// Fetch all debug information
    All {
        /// Server to get all debug information from
        server: String,
    },
}

impl Debug {
    pub(super) fn run(&self) -> ExitCode {
        match self.collect() {
            Ok(()) => {
                println!("Compiling debug information complete, all files written in \"{ARCHIVE}\".");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error completing debug command: {error}");
                ExitCode::from(FAILURE)
            }
        }
    }

    fn collect(&self) -> Result<(), String> {
        let (server, profiles, metrics) = match &self.what {
            What::Pprof { server } => (server, true, false),
            What::Metrics { server } => (server, false, true),
            What::All { server } => (server, true, true),
        };
        let server = Server::new(server, &HttpFlags::default())?;
        let file = std::fs::File::create(ARCHIVE).map_err(|error| format!("{ARCHIVE}: {error}"))?;
        let mut archive = Archive(GzEncoder::new(file, Compression::default()));
        if profiles {
            let first = fetch(&server, "/debug/pprof/cmdline")?;
            let group: &[(&str, &str)] = if first.is_some() { &PROFILES } else { &STATE };
            archive.collect(&server, group)?;
        }
        if metrics {
            archive.collect(&server, &METRICS)?;
        }
        archive.finish()
    }
}

/// What a server has at a path; `None` if it has nothing there.
fn fetch(server: &Server, path: &str) -> Result<Option<Vec<u8>>, String> {
    let answer =
        server.get(path, LIMITS).map_err(|error| format!("error executing HTTP request: {error}"))?;
    Ok(answer.status.is_success().then(|| answer.body.to_vec()))
}

/// A compressed tar archive that is being written.
struct Archive<W: Write>(GzEncoder<W>);

impl<W: Write> Archive<W> {
    fn collect(&mut self, server: &Server, group: &[(&str, &str)]) -> Result<(), String> {
        for (path, name) in group {
            println!("collecting: {}{path}", server.url());
            match fetch(server, path)? {
                Some(body) => {
                    self.add(name, &body)
                        .map_err(|error| format!("error writing into the archive: {error}"))?;
                }
                None => eprintln!("the server has nothing at {path}"),
            }
        }
        Ok(())
    }

    /// One file: a header of the POSIX format, and the content in blocks of 512 bytes.
    fn add(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| {
            for (to, from) in header.iter_mut().skip(at).zip(text.bytes()) {
                *to = from;
            }
        };
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, &format!("{:011o}\0", base::Clock::system().now_ms() / 1000));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
            *to = from;
        }
        self.0.write_all(&header)?;
        self.0.write_all(content)?;
        self.0.write_all(&vec![0; content.len().next_multiple_of(512) - content.len()])
    }

    fn finish(mut self) -> Result<(), String> {
        let end = self.0.write_all(&[0; 1024]);
        end.and_then(|()| self.0.finish().map(drop))
            .map_err(|error| format!("error closing archive writer: {error}"))
    }
}
