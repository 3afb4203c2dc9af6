//! `amtool check-config` and `amtool config`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use ::config::Node;
use ::config::http_client::PathBase;
use alerting::MatcherMode;
use alerting::matchers::key_of;
use alerting::route::{Route, Routes};
use clap::{Args, Subcommand};
use model::Labels;

use super::Context;
use super::format::text;

/// Commands about the configuration.
#[derive(Subcommand)]
pub(super) enum Config {
    /// Show the configuration in use
    Show,
    /// Show the tree of routes, or where an alert would go
    Routes(RoutesArgs),
}

/// Flags of `config routes`.
#[derive(Args)]
pub(super) struct RoutesArgs {
    /// The configuration file; without one a running Alertmanager is asked
    #[arg(long = "config.file", global = true, value_name = "FILE")]
    config_file: Option<PathBuf>,
    #[command(subcommand)]
    command: RoutesCommand,
}

#[derive(Subcommand)]
enum RoutesCommand {
    /// Print the tree of routes
    Show,
    /// Print the receivers of an alert with some labels
    Test {
        /// Labels, name=value
        labels: Vec<String>,
        /// Fail unless these are the receivers, separated by commas
        #[arg(long = "verify.receivers", default_value = "", value_name = "NAMES")]
        expected: String,
        /// Print the routes that match
        #[arg(long)]
        tree: bool,
    },
}

impl Config {
    pub(super) fn run(&self, context: &Context) -> Result<(), String> {
        let args = match self {
            Config::Show => {
                let status = context.server()?.get("/status", &[])?;
                context.output.config(&status);
                return Ok(());
            }
            Config::Routes(args) => args,
        };
        let config = args.load(context)?;
        match &args.command {
            RoutesCommand::Show => {
                println!("Routing tree:\n.");
                print_tree(&whole(&config.routes, 0), "");
                println!();
                Ok(())
            }
            RoutesCommand::Test { labels, expected, tree } => {
                let pairs =
                    context.pairs(labels, "Labels").map_err(|error| match error.starts_with("Labels") {
                        true => error,
                        false => format!("Failed to parse labels: {error}"),
                    })?;
                let labels = Labels::from_pairs(pairs);
                if *tree {
                    println!("Matching routes:\n.");
                    print_tree(&matching(&config.routes, 0, &labels), "");
                    println!("\n");
                }
                let found = config.routes.matching(&labels);
                let names = found.iter().filter_map(|at| config.routes.get(*at));
                let names: Vec<&str> = names.map(|route| route.receiver.as_str()).collect();
                let names = names.join(",");
                println!("{names}");
                if !expected.is_empty() && *expected != names {
                    println!("WARNING: Expected receivers did not match resolved receivers.");
                    return Err(String::new());
                }
                Ok(())
            }
        }
    }
}

impl RoutesArgs {
    fn load(&self, context: &Context) -> Result<alerting::Config, String> {
        match (&self.config_file, context.url()) {
            (Some(file), url) => {
                if url.is_some() {
                    eprintln!("Warning: --config.file flag overrides the --alertmanager.url.");
                }
                load(file, context.mode)
            }
            (None, None) => {
                Err("You have to specify one of --config.file or --alertmanager.url flags.".into())
            }
            (None, Some(_)) => {
                let status = context.server()?.get("/status", &[])?;
                let original = text(&status["config"]["original"]);
                alerting::Config::parse(original, &PathBase::new(Path::new("")), context.mode)
                    .map_err(|error| error.to_string())
            }
        }
    }
}

fn load(file: &Path, mode: MatcherMode) -> Result<alerting::Config, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("open {}: {error}", file.display()))?;
    alerting::Config::parse(&text, &PathBase::of_file(file), mode)
        .map_err(|error| error.in_file(&file.display().to_string()).to_string())
}

/// Checks files, and says what is in them.
pub(super) fn check(files: &[PathBuf], mode: MatcherMode) -> Result<(), String> {
    let files = match files {
        [] if std::io::stdin().is_terminal() => return Err("Failed to read from standard input".into()),
        [] => vec![PathBuf::from("/dev/stdin")],
        files => files.to_vec(),
    };
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        return Err(format!("path '{}' does not exist", missing.display()));
    }
    let mut failed = 0;
    for file in &files {
        print!("Checking '{}'", file.display());
        // Standard input can be read once.
        let read = std::fs::read_to_string(file).map_err(|error| format!("open {}: {error}", file.display()));
        let parsed = read.and_then(|text| {
            let config = alerting::Config::parse(&text, &PathBase::of_file(file), mode);
            let config = config.map_err(|error| error.in_file(&file.display().to_string()).to_string())?;
            Ok((config, text))
        });
        match parsed {
            Err(error) => {
                println!("  FAILED: {error}");
                failed += 1;
            }
            Ok((config, text)) => {
                let templates =
                    Node::parse(&text).ok().and_then(|root| root.get("templates")?.strings().ok());
                let templates = templates.map_or(0, |list| list.len());
                println!("  SUCCESS\nFound:\n - global config\n - route");
                println!(" - {} inhibit rules", config.inhibit_rules.len());
                println!(" - {} receivers", config.receivers.len());
                println!(" - {templates} templates");
                if templates > 0 {
                    println!("  SUCCESS");
                }
                for warning in config.warnings() {
                    println!("  WARNING: {warning}");
                }
            }
        }
        println!();
    }
    if failed > 0 { Err(format!("failed to validate {failed} file(s)")) } else { Ok(()) }
}

/// A line of a tree, and what is below it.
struct Branch {
    text: String,
    below: Vec<Branch>,
}

fn matchers_of(route: &Route) -> String {
    if route.matchers.is_empty() { "default-route".into() } else { key_of(&route.matchers) }
}

fn whole(routes: &Routes, at: usize) -> Branch {
    let Some(route) = routes.get(at) else { return Branch { text: String::new(), below: Vec::new() } };
    let continues = if route.continues { "  continue: true" } else { "" };
    Branch {
        text: format!("{}{continues}  receiver: {}", matchers_of(route), route.receiver),
        below: route.children.iter().map(|child| whole(routes, *child)).collect(),
    }
}

fn matching(routes: &Routes, at: usize, labels: &Labels) -> Branch {
    let Some(route) = routes.get(at) else { return Branch { text: String::new(), below: Vec::new() } };
    let mut below = Vec::new();
    for child in &route.children {
        let Some(candidate) = routes.get(*child) else { continue };
        if alerting::matchers::all_match(&candidate.matchers, labels) {
            below.push(matching(routes, *child, labels));
            if !candidate.continues {
                break;
            }
        }
    }
    let text = match below.is_empty() {
        true => format!("{}  receiver: {}", matchers_of(route), route.receiver),
        false => matchers_of(route),
    };
    Branch { text, below }
}

fn print_tree(root: &Branch, indent: &str) {
    fn print(branch: &Branch, indent: &str, is_last: bool) {
        println!("{indent}{} {}", if is_last { "└──" } else { "├──" }, branch.text);
        let indent = format!("{indent}{}", if is_last { "    " } else { "│   " });
        for (at, below) in branch.below.iter().enumerate() {
            print(below, &indent, at + 1 == branch.below.len());
        }
    }
    print(root, indent, true);
}
