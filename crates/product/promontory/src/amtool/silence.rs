//! `amtool silence`.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use base::Clock;
use base::units::parse_duration_ms;
use clap::Subcommand;
use gocompat::layout::format_rfc3339_ms;
use model::MatchOp;
use serde_json::{Map, Value, json};

use super::format::{text, time_ms};
use super::{Context, parse_time_ms};

/// Commands about silences.
#[derive(Subcommand)]
pub(super) enum Silence {
    /// Add a new silence
    ///
    /// Matchers are such as node=bar or 'alertname=~foo.*'; if the first one has no operator it is
    /// the value of alertname.
    Add {
        /// Matchers
        matchers: Vec<String>,
        /// Who makes it [default: the user's name]
        #[arg(short, long, value_name = "NAME")]
        author: Option<String>,
        #[arg(long = "require-comment", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        require_comment: Option<bool>,
        /// How long it lasts
        #[arg(short, long, default_value = "1h", value_name = "DURATION")]
        duration: String,
        /// When it begins, such as 2006-01-02T15:04:05-07:00
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// When it ends, such as 2006-01-02T15:04:05-07:00; wins over the duration
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
        /// Why
        #[arg(short, long, default_value = "", value_name = "TEXT")]
        comment: String,
        /// An annotation, name=value; can be repeated
        #[arg(long = "annotation", value_name = "NAME=VALUE")]
        annotations: Vec<String>,
        /// Confirm a silence that would match almost everything that fires
        #[arg(long)]
        force: bool,
    },
    /// End silences
    Expire {
        /// Their ids
        ids: Vec<String>,
    },
    /// Add silences from JSON, as `silence query -o json` writes it
    Import {
        /// The file; standard input if there is none
        file: Option<PathBuf>,
        /// Add them anew even if they are there
        #[arg(short, long)]
        force: bool,
        #[arg(short, long, hide = true)]
        worker: Option<usize>,
    },
    /// View silences
    ///
    /// Matchers are such as node=bar or 'alertname=~foo.*'; if the first one has no operator it is
    /// the value of alertname.
    Query {
        /// Matchers
        matchers: Vec<String>,
        /// Show expired silences instead of others
        #[arg(long)]
        expired: bool,
        /// Show ids alone
        #[arg(short, long)]
        quiet: bool,
        /// Show those of one author
        #[arg(long = "created-by", value_name = "NAME")]
        created_by: Option<String>,
        /// Show one by its id
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Show those that end, or have ended, within a duration
        #[arg(long, value_name = "DURATION")]
        within: Option<String>,
    },
    /// Change silences
    Update {
        /// Their ids
        ids: Vec<String>,
        /// Show ids alone
        #[arg(short, long)]
        quiet: bool,
        /// How long they last
        #[arg(short, long, value_name = "DURATION")]
        duration: Option<String>,
        /// When they begin, such as 2006-01-02T15:04:05-07:00
        #[arg(long, value_name = "TIME")]
        start: Option<String>,
        /// When they end, such as 2006-01-02T15:04:05-07:00; wins over the duration
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
        /// Why
        #[arg(short, long, value_name = "TEXT")]
        comment: Option<String>,
    },
}

impl Silence {
    pub(super) fn run(&self, context: &Context) -> Result<(), String> {
        match self {
            Silence::Add { .. } => self.add(context),
            Silence::Expire { ids } => {
                some(ids)?;
                let server = context.server()?;
                for id in ids {
                    server.delete(&format!("/silence/{id}"))?;
                }
                Ok(())
            }
            Silence::Import { file, force, .. } => import(context, file.as_ref(), *force),
            Silence::Query { .. } => self.query(context),
            Silence::Update { .. } => self.update(context),
        }
    }

    fn add(&self, context: &Context) -> Result<(), String> {
        let Silence::Add {
            matchers,
            author,
            require_comment,
            duration,
            start,
            end,
            comment,
            annotations,
            force,
        } = self
        else {
            return Ok(());
        };
        let matchers = context.matchers(matchers)?;
        if matchers.is_empty() {
            return Err("no matchers specified".into());
        }
        let starts_at_ms = match start {
            Some(text) => parse_time_ms(text)?,
            None => Clock::system().now_ms(),
        };
        let ends_at_ms = match end {
            Some(text) => parse_time_ms(text)?,
            None => starts_at_ms.saturating_add(lasting(duration)?),
        };
        if starts_at_ms > ends_at_ms {
            return Err("silence cannot start after it ends".into());
        }
        let by_file = context.defaults.get("require-comment").map(|text| text != "false");
        if require_comment.or(by_file).unwrap_or(true) && comment.is_empty() {
            return Err("comment required by config".into());
        }
        let annotations = context.pairs(annotations, "annotations")?;
        let annotations: Map<String, Value> =
            annotations.into_iter().map(|(name, value)| (name, value.into())).collect();
        let matchers = matchers.iter().map(|matcher| {
            json!({
                "name": matcher.name,
                "value": matcher.value,
                "isEqual": !matcher.op.is_negative(),
                "isRegex": matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
            })
        });
        let author = author.clone().or_else(|| context.defaults.get("author"));
        let silence = json!({
            "matchers": matchers.collect::<Vec<_>>(),
            "startsAt": format_rfc3339_ms(starts_at_ms),
            "endsAt": format_rfc3339_ms(ends_at_ms),
            "createdBy": author.unwrap_or_else(username),
            "comment": comment,
            "annotations": annotations,
        });
        let path = if *force { "/silences?force=true" } else { "/silences" };
        let answer = context.server()?.post(path, &silence)?;
        println!("{}", text(&answer["silenceID"]));
        Ok(())
    }

    fn query(&self, context: &Context) -> Result<(), String> {
        let Silence::Query { matchers, expired, quiet, created_by, id, within } = self else { return Ok(()) };
        let within_ms = match within {
            Some(text) => gocompat::duration::parse_ns(text).map_err(|error| error.to_string())? / 1_000_000,
            None => 0,
        };
        let params: Vec<(&str, String)> =
            context.with_name(matchers).into_iter().map(|text| ("filter", text)).collect();
        let answer = context.server()?.get("/silences", &params)?;
        let now_ms = Clock::system().now_ms();
        let is_wanted = |silence: &Value| {
            let ends_at_ms = time_ms(&silence["endsAt"]);
            let is_near = match (within_ms > 0, expired) {
                (false, _) => true,
                (true, false) => ends_at_ms <= now_ms.saturating_add(within_ms),
                (true, true) => ends_at_ms >= now_ms.saturating_sub(within_ms),
            };
            is_near
                && *expired == (ends_at_ms < now_ms)
                && created_by.as_ref().is_none_or(|by| text(&silence["createdBy"]) == by)
                && id.as_ref().is_none_or(|id| text(&silence["id"]) == id)
        };
        let silences = answer.as_array().into_iter().flatten().filter(|silence| is_wanted(silence));
        show(context, silences.cloned().collect(), *quiet);
        Ok(())
    }

    fn update(&self, context: &Context) -> Result<(), String> {
        let Silence::Update { ids, quiet, duration, start, end, comment } = self else { return Ok(()) };
        some(ids)?;
        let server = context.server()?;
        let mut updated = Vec::new();
        for id in ids {
            let mut silence = server.get(&format!("/silence/{id}"), &[])?;
            if !silence.is_object() {
                return Err(format!("the answer about {id} is not a silence"));
            }
            if let Some(text) = start {
                silence["startsAt"] = format_rfc3339_ms(parse_time_ms(text)?).into();
            }
            if let Some(text) = end {
                silence["endsAt"] = format_rfc3339_ms(parse_time_ms(text)?).into();
            } else if let Some(text) = duration {
                let ends_at_ms = time_ms(&silence["startsAt"]).saturating_add(lasting(text)?);
                silence["endsAt"] = format_rfc3339_ms(ends_at_ms).into();
            }
            if time_ms(&silence["startsAt"]) > time_ms(&silence["endsAt"]) {
                return Err("silence cannot start after it ends".into());
            }
            if let Some(comment) = comment {
                silence["comment"] = comment.as_str().into();
            }
            let answer = server.post("/silences", &silence)?;
            silence["id"] = answer["silenceID"].clone();
            updated.push(silence);
        }
        show(context, updated, *quiet);
        Ok(())
    }
}

fn some(ids: &[String]) -> Result<(), String> {
    if ids.is_empty() { Err("no silence IDs specified".into()) } else { Ok(()) }
}

fn lasting(duration: &str) -> Result<i64, String> {
    match parse_duration_ms(duration).map_err(|error| error.to_string())? {
        0 => Err("silence duration must be greater than 0".into()),
        ms => Ok(ms),
    }
}

fn show(context: &Context, silences: Vec<Value>, quiet: bool) {
    if !quiet {
        return context.output.silences(silences);
    }
    for silence in &silences {
        println!("{}", text(&silence["id"]));
    }
}

/// The largest list of silences that is read from standard input.
const IMPORT_SIZE_MAX_BYTES: u64 = 256 << 20;

fn import(context: &Context, file: Option<&PathBuf>, force: bool) -> Result<(), String> {
    let mut input = Vec::new();
    match file {
        Some(path) => input = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => {
            let mut stdin = std::io::stdin().take(IMPORT_SIZE_MAX_BYTES + 1);
            stdin.read_to_end(&mut input).map_err(|error| error.to_string())?;
            if input.len() as u64 > IMPORT_SIZE_MAX_BYTES {
                return Err(format!("the input is larger than {IMPORT_SIZE_MAX_BYTES} bytes"));
            }
        }
    }
    let silences: Vec<Map<String, Value>> = serde_json::from_slice(&input)
        .map_err(|error| format!("couldn't unmarshal input data, is it JSON?: {error}"))?;
    let server = context.server()?;
    let mut failed = 0;
    for silence in &silences {
        let mut silence = Value::Object(silence.clone());
        let id = text(&silence["id"]).to_string();
        if force {
            silence["id"] = "".into();
        }
        let mut answer = server.post("/silences", &silence);
        if answer.as_ref().is_err_and(|failed| failed.status == 404) {
            // It is not there, so it becomes a new one.
            silence["id"] = "".into();
            answer = server.post("/silences", &silence);
        }
        match answer {
            Ok(answer) => println!("{}", text(&answer["silenceID"])),
            Err(error) => {
                failed += 1;
                eprintln!("Error adding silence id='{id}': {}", error.message);
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("couldn't import {failed} out of {} silences", silences.len())),
    }
}

/// Who runs the program.
fn username() -> String {
    let uid = std::fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = users.find(|user| user.get(2).and_then(|id| id.parse().ok()) == uid && uid.is_some());
    own.and_then(|user| user.first().map(|name| name.to_string()))
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_default()
}
