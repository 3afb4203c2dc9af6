//! `promontory import`.

use std::path::PathBuf;

use base::units::parse_duration_ms;
use clap::{Args, Subcommand};
use config::Secret;
use config::http_client::{Auth, HttpClientConfig, SecretSource};
use roles::grafana::{self, Endpoint};
use roles::import::{self, From, To};

use crate::promtool::{HttpFlags, parse_time_ms, with_output};

/// Arguments of `promontory import`.
#[derive(Args)]
pub(crate) struct Import {
    /// Where samples go: a data directory, where they become blocks that a server running on it finds
    /// within a minute, or the URL of a server that takes remote write
    #[arg(long, default_value = "promontory-data", value_name = "DIR|URL", global = true)]
    to: String,
    /// Only series that match one of these selectors; can be repeated
    #[arg(long = "match", value_name = "SELECTOR", global = true)]
    selectors: Vec<String>,
    /// First time: RFC 3339 or seconds since the epoch [default: where the data begins; of servers, 15 days ago]
    #[arg(long, value_name = "TIME", global = true)]
    start: Option<String>,
    /// Last time [default: where the data ends; of servers, now]
    #[arg(long, value_name = "TIME", global = true)]
    end: Option<String>,
    /// How much time is read at once; less where an answer would be too large
    #[arg(long, default_value = "2h", value_name = "DURATION", global = true)]
    slice: String,
    /// Where the progress is kept, so that the same command goes on after a stop
    /// [default: import.json in the data directory, promontory-import.json for a server]
    #[arg(long, value_name = "FILE", global = true)]
    state: Option<PathBuf>,
    #[command(flatten)]
    http: HttpFlags,
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    /// From a Prometheus: its data directory, which is left as it is, or its URL (by remote read)
    Prometheus {
        /// The directory or the URL
        #[arg(value_name = "DIR|URL")]
        from: String,
    },
    /// From VictoriaMetrics, by its export API
    VictoriaMetrics {
        /// The URL, such as http://127.0.0.1:8428; of a cluster, that of vmselect with /select/0/prometheus
        #[arg(value_name = "URL")]
        from: String,
    },
    /// Dashboards, folders, library panels and playlists from a running Grafana, to a running server [default of
    /// --to: http://127.0.0.1:9090]; --http.config.file is for that server
    Grafana(Grafana),
    /// From anything that answers Prometheus's remote read
    RemoteRead {
        /// The whole URL, such as http://127.0.0.1:9090/api/v1/read
        #[arg(value_name = "URL")]
        from: String,
    },
}

/// Flags of `promontory import grafana`.
#[derive(Args)]
struct Grafana {
    /// The address of Grafana, such as http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    url: String,
    /// File with a token of Grafana's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    token_file: Option<PathBuf>,
    /// A user of Grafana's
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// File with that user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Use another data source in place of one of Grafana's, such as PBFA97CFB590B2093=promontory; can be repeated
    #[arg(long = "data-source", value_name = "THEIRS=OURS")]
    data_sources: Vec<String>,
}

impl Grafana {
    fn run(&self, to: &str, http: HttpClientConfig) -> Result<(), String> {
        if !is_url(&self.url) {
            return Err(format!("--url: expected a URL such as http://127.0.0.1:3000, found {:?}", self.url));
        }
        let auth = match (&self.token_file, &self.user) {
            (Some(file), _) => {
                Auth::Authorization { kind: "Bearer".into(), credentials: SecretSource::File(file.clone()) }
            }
            (None, Some(user)) => Auth::Basic {
                username: SecretSource::Inline(Secret::new(user.clone())),
                password: self.password_file.clone().map(SecretSource::File),
            },
            (None, None) => Auth::None,
        };
        let data_sources = self.data_sources.iter().map(|pair| match pair.split_once('=') {
            Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => {
                Ok((theirs.into(), ours.into()))
            }
            _ => Err(format!("--data-source: expected THEIRS=OURS, found {pair:?}")),
        });
        let copy = grafana::Copy {
            from: Endpoint {
                url: self.url.clone(),
                http: HttpClientConfig { auth, ..HttpClientConfig::default() },
            },
            to: Endpoint { url: if is_url(to) { to } else { "http://127.0.0.1:9090" }.to_string(), http },
            data_sources: data_sources.collect::<Result<_, _>>()?,
        };
        grafana::copy(&copy, &mut |line| println!("{line}"))
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Import {
    pub(crate) fn run(&self) -> Result<(), String> {
        let time = |flag: &str, text: &Option<String>| {
            text.as_deref()
                .map(|text| parse_time_ms(text).map_err(|error| format!("{flag}: {error}")))
                .transpose()
        };
        let http = match &self.http.http_config_file {
            Some(path) => HttpFlags::read(path)?,
            None => HttpClientConfig::default(),
        };
        let from = match &self.source {
            Source::Grafana(grafana) => return grafana.run(&self.to, http),
            Source::Prometheus { from } if is_url(from) => {
                From::RemoteRead(format!("{}/api/v1/read", from.trim_end_matches('/')))
            }
            Source::Prometheus { from } => From::Directory(PathBuf::from(from)),
            Source::VictoriaMetrics { from } | Source::RemoteRead { from } if !is_url(from) => {
                return Err(format!("expected a URL such as http://127.0.0.1:8428, found {from:?}"));
            }
            Source::VictoriaMetrics { from } => From::VictoriaMetrics(from.clone()),
            Source::RemoteRead { from } => From::RemoteRead(from.clone()),
        };
        let to = match is_url(&self.to) {
            false => To::Directory(PathBuf::from(&self.to)),
            true if self.to.ends_with("/write") => To::RemoteWrite(self.to.clone()),
            true => To::RemoteWrite(format!("{}/api/v1/write", self.to.trim_end_matches('/'))),
        };
        let import = import::Import {
            from,
            to,
            selectors: self.selectors.clone(),
            start_ms: time("--start", &self.start)?,
            end_ms: time("--end", &self.end)?,
            slice_ms: parse_duration_ms(&self.slice).map_err(|error| format!("--slice: {error}"))?,
            state_file: self.state.clone(),
            http,
        };
        with_output(|output| import::run(&import, output))
    }
}
