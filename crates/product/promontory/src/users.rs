//! `promontory users`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use model::Role;
use roles::replicas::ReplicaSettings;
use roles::users::{Task, run};

/// Arguments of `promontory users`.
#[derive(Args)]
pub(crate) struct Users {
    /// The server's data
    #[arg(long, default_value = "promontory-data", value_name = "DIR", global = true)]
    data_dir: PathBuf,
    /// The database that the server's replicas share, in place of that: postgres://USER@HOST/DATABASE
    #[arg(long = "state.url", value_name = "URL", conflicts_with = "state_url_file", global = true)]
    state_url: Option<String>,
    /// File with that URL
    #[arg(long = "state.url-file", value_name = "FILE", global = true)]
    state_url_file: Option<PathBuf>,
    /// File with the database's password
    #[arg(long = "state.password-file", value_name = "FILE", global = true)]
    state_password_file: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Tell who has an account
    List,
    /// Make a user
    Add {
        /// What they log in with
        login: String,
        /// What they may do: none, viewer, editor or admin
        #[arg(long, default_value = "viewer", value_name = "ROLE")]
        role: Role,
        /// Their name
        #[arg(long, default_value = "", value_name = "NAME")]
        name: String,
        /// Their address of mail
        #[arg(long, default_value = "", value_name = "ADDRESS")]
        email: String,
        /// File with their password; without it one is made and shown
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give a user another role
    SetRole {
        /// Who
        login: String,
        /// What they may do: none, viewer, editor or admin
        role: Role,
    },
    /// Give a user another password, which ends their sessions and lets them in again if they were disabled
    SetPassword {
        /// Who
        login: String,
        /// File with the password; without it one is made and shown
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a service account, and show its token
    Token {
        /// What it is called
        name: String,
        /// What it may do: viewer, editor or admin
        #[arg(long, default_value = "viewer", value_name = "ROLE")]
        role: Role,
        /// How long the token counts, such as 90d [default: for ever]
        #[arg(long, value_name = "DURATION")]
        lifetime: Option<String>,
    },
}

impl Users {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut replicas = ReplicaSettings::default();
        replicas
            .set_database(
                self.state_url.as_deref(),
                self.state_url_file.as_deref(),
                self.state_password_file.as_deref(),
            )
            .map_err(|error| format!("--state: {error}"))?;
        let task = match self.what {
            What::List => Task::List,
            What::Add { login, role, name, email, password_file } => {
                Task::Add { login, role, name, email, password: password(password_file.as_deref())? }
            }
            What::SetRole { login, role } => Task::SetRole { login, role },
            What::SetPassword { login, password_file } => {
                Task::SetPassword { login, password: password(password_file.as_deref())? }
            }
            What::Token { name, role, lifetime } => {
                let lifetime_ms = lifetime.as_deref().map(base::units::parse_duration_ms).transpose();
                let lifetime_ms = lifetime_ms.map_err(|error| format!("--lifetime: {error}"))?;
                Task::Token { name, role, lifetime_s: lifetime_ms.map(|ms| ms / 1_000).filter(|s| *s > 0) }
            }
        };
        print!("{}", run(&self.data_dir, replicas, task)?);
        Ok(())
    }
}

fn password(file: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = file else { return Ok(None) };
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Some(text.trim().to_string()))
}
