//! A real PostgreSQL of a test's own, in a folder that is gone with it, on a socket in that folder.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot have its server fails")]

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How long the server may take to start or stop.
const LOOKS_MAX: usize = 3_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A running server with one superuser, `postgres`, and no password.
pub struct Postgres {
    programs: PathBuf,
    dir: PathBuf,
    /// Whom the server runs as, if we are root: it refuses to be root.
    user: Option<(u32, u32)>,
    /// Holds the server: it ends when this one's input does.
    keeper: Option<Child>,
}

impl Postgres {
    /// Starts a server. Where PostgreSQL is not installed this says so and the test skips; in CI that is
    /// a failure.
    pub fn start() -> Option<Postgres> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed");
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("promontory-pg-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        let user = is_root(&dir).then(ordinary_user);
        if let Some((uid, gid)) = user {
            chown(&dir, Some(uid), Some(gid)).unwrap();
        }
        let mut server = Postgres { programs, dir, user, keeper: None };
        let data = server.data();
        let made = server
            .command("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.start_again();
        Some(server)
    }

    /// The folder of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.5432")
    }

    /// Where the database `postgres` is, as a URL.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes a database of this name and says where it is.
    pub fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"));
        self.url_of(name)
    }

    fn url_of(&self, database: &str) -> String {
        let folder = self.dir.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    /// Runs statements as the superuser; what they print.
    pub fn sql(&self, statements: &str) -> String {
        self.sql_in("postgres", statements)
    }

    /// The same in another database.
    pub fn sql_in(&self, database: &str, statements: &str) -> String {
        let ran = self
            .command("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"])
            .arg(&self.dir)
            .args(["-c", statements])
            .output()
            .expect("psql runs");
        assert!(ran.status.success(), "{statements}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_string()
    }

    /// Stops the server at once, as if it had failed. What it has committed is there after the next start.
    pub fn stop(&mut self) {
        fs::write(self.dir.join("stays"), "").unwrap();
        let stopped = self
            .command("pg_ctl")
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(self.data())
            .output()
            .expect("pg_ctl runs");
        assert!(stopped.status.success(), "pg_ctl: {}", String::from_utf8_lossy(&stopped.stderr));
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// Starts it again after [`Postgres::stop`], and waits until it answers.
    pub fn start_again(&mut self) {
        let _ = fs::remove_file(self.dir.join("stays"));
        // Nothing but its input ties the server to this process, so that it ends even if we are killed.
        let script = r#"
            "$1/postgres" -D "$2" -k "$3" -c listen_addresses= -c port=5432 -c max_connections=200 \
                -c shared_buffers=16MB -c fsync=off >"$3/log" 2>&1 &
            server=$!
            cat >/dev/null
            kill -QUIT $server 2>/dev/null
            wait $server
            [ -e "$3/stays" ] || rm -rf "$3"
        "#;
        let mut command = self.as_user(Command::new("sh"));
        command.args(["-c", script, "sh"]).arg(&self.programs).arg(self.data()).arg(&self.dir);
        // A group of its own: an interrupt at the keyboard is the test's to handle.
        let keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        self.keeper = Some(keeper);
        for _ in 0..LOOKS_MAX {
            let ready = self
                .command("pg_isready")
                .args(["-q", "-U", "postgres", "-d", "postgres", "-h"])
                .arg(&self.dir)
                .status()
                .expect("pg_isready runs");
            if ready.success() {
                return;
            }
            sleep(LOOK_INTERVAL);
        }
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start: {log}");
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.as_user(Command::new(self.programs.join(program)));
        command.stdin(Stdio::null());
        command
    }

    fn as_user(&self, mut command: Command) -> Command {
        command.current_dir(&self.dir).env_remove("PGPASSWORD").env("LC_ALL", "C");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Where the newest PostgreSQL has its programs.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().rev().chain(std::env::split_paths(&paths)).find(|dir| {
        ["initdb", "postgres", "pg_ctl", "psql", "pg_isready"].iter().all(|name| dir.join(name).exists())
    })
}

fn is_root(own: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(own).unwrap().uid() == 0
}

/// The user that Debian's package makes, or else nobody.
fn ordinary_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| {
                let mut number = || fields.next().and_then(|field| field.parse().ok());
                number();
                Some((number()?, number()?))
            })?
        })
    };
    find("postgres").or_else(|| find("nobody")).unwrap_or((65534, 65534))
}
