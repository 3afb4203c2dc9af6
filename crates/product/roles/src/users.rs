//! Users from the command line: changed where they are kept, also while a server runs, which notices within seconds.

use std::path::Path;

use accounts::Administration;
use accounts::directory::{Profile, User};
use base::Clock;
use exposition::Registry;
use model::Role;

use crate::replicas::ReplicaSettings;
use crate::settings::{Mode, Settings};

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Tell all users.
    List,
    /// Make a user.
    Add {
        /// Who.
        login: String,
        /// Name to show.
        name: String,
        /// Address of mail.
        email: String,
        /// What they may do.
        role: Role,
        /// Their password; one is made and told if `None`.
        password: Option<String>,
    },
    /// Give a user another role.
    SetRole {
        /// Who.
        login: String,
        /// What they may do.
        role: Role,
    },
    /// Give a user another password.
    SetPassword {
        /// Who.
        login: String,
        /// The password; one is made and told if `None`.
        password: Option<String>,
    },
    /// Make a service account with a token.
    Token {
        /// What it is called.
        name: String,
        /// What it may do.
        role: Role,
        /// How long the token counts, in seconds; for ever if `None`.
        lifetime_s: Option<i64>,
    },
}

/// Does it, and gives what to tell. Blocks.
pub fn run(data_dir: &Path, replicas: ReplicaSettings, task: Task) -> Result<String, String> {
    if replicas.database.is_none() && !data_dir.join("state.db").is_file() {
        return Err(format!(
            "no accounts are kept in {}; name the directory of the server's data with --data-dir, or its database with --state.url",
            data_dir.display()
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(async {
        let (registry, clock) = (Registry::new(), Clock::system());
        let settings = Settings { data_dir: data_dir.to_path_buf(), ..Settings::new(Mode::Machine) };
        let state = replicas.open_state(&settings, &registry, &clock).map_err(|error| error.to_string())?;
        let state = state.ok_or("no state")?;
        let people = Administration::new(state, clock).map_err(|error| error.to_string())?;
        done(&people, task).await.map_err(|error| error.to_string())
    })
}

async fn done(people: &Administration, task: Task) -> Result<String, accounts::AccountsError> {
    let told = |password: String, was_told: bool| {
        if was_told { String::new() } else { format!("password {password}\n") }
    };
    Ok(match task {
        Task::List => table(&people.users().await?),
        Task::Add { login, name, email, role, password } => {
            let was_told = password.is_some();
            told(people.add(&Profile { login, name, email }, role, password).await?, was_told)
        }
        Task::SetRole { login, role } => {
            people.set_role(&login, role).await?;
            String::new()
        }
        Task::SetPassword { login, password } => {
            let was_told = password.is_some();
            told(people.set_password(&login, password).await?, was_told)
        }
        Task::Token { name, role, lifetime_s } => {
            format!("{}\n", people.add_token(&name, role, lifetime_s).await?)
        }
    })
}

fn table(users: &[User]) -> String {
    let width = users.iter().map(|user| user.login.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:<width$}  {:<6}  {}\n", "LOGIN", "ROLE", "STATE");
    for user in users {
        let state = if user.is_disabled { "disabled" } else { "active" };
        text.push_str(&format!("{:<width$}  {:<6}  {state}\n", user.login, user.role.as_str()));
    }
    text
}
