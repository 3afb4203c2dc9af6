//! What happens when the server is away, slow, moved, or its password changed.

use std::path::Path;
use std::sync::Mutex;

use base::{Classify, ErrorClass};
use state::{StateError, When, Written};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};

use super::*;

/// A way to the server that can be cut or held up.
struct Road {
    port: u16,
    tasks: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>,
    is_open: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Road {
    async fn to(socket: &Path) -> Road {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tasks: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>> = Arc::default();
        let is_open = Arc::new(tokio::sync::watch::channel(true).0);
        let (socket, list, gate) = (socket.to_path_buf(), tasks.clone(), is_open.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (socket, mut gate) = (socket.clone(), gate.subscribe());
                let task = tokio::spawn(async move {
                    let _ = gate.wait_for(|open| *open).await;
                    if let Ok(mut far) = UnixStream::connect(socket).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                list.lock().unwrap().push(task);
            }
        });
        Road { port, tasks, is_open }
    }

    fn url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Breaks all connections.
    fn cut(&self) {
        self.tasks.lock().unwrap().drain(..).for_each(|task| task.abort());
    }
}

fn open(settings: &Settings) -> State {
    State::open(settings, Clock::system(), &Registry::new()).unwrap()
}

#[tokio::test]
async fn while_the_server_is_away_answers_come_at_once_and_when_it_is_back_nothing_is_lost() {
    let Some(mut server) = Postgres::start() else { return };
    let registry = Registry::new();
    let state = State::open(&server_settings(&server.url()), Clock::system(), &registry).unwrap();
    let Written::Done { revision } = state.put("k", "a", "1", When::Always).await.unwrap() else { panic!() };
    server.stop();
    for _ in 0..100 {
        let error = state.put("k", "a", "2", When::Always).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    }
    assert!(shown(&registry).contains("promontory_state_reachable 0"));
    server.start_again();
    until("the server is found again", || async { state.get("k", "a").await.is_ok() }).await;
    let found = state.get("k", "a").await.unwrap().unwrap();
    assert_eq!((found.body, found.revision), (b"1".to_vec(), revision));
    // Who follows hears of changes again, too.
    until("changes wake followers again", || async {
        let mut wakeups = state.wakeups();
        state.put("k", "a", "3", When::Always).await.unwrap();
        tokio::time::timeout(Duration::from_millis(500), wakeups.changed()).await.is_ok()
    })
    .await;
    let shown = shown(&registry);
    assert!(shown.contains("promontory_state_reachable 1"), "{shown}");
    assert!(
        shown
            .contains("promontory_state_operations_failed_total{operation=\"write\",reason=\"unreachable\"}")
    );
}

fn shown(registry: &Registry) -> String {
    let mut page = Vec::new();
    registry.collect(&mut exposition::TextWriter::new(&mut page));
    String::from_utf8(page).unwrap()
}

#[tokio::test]
async fn a_server_may_come_after_the_program() {
    let Some(mut server) = Postgres::start() else { return };
    server.stop();
    let state = open(&server_settings(&server.url()));
    assert!(matches!(state.get("k", "a").await, Err(StateError::Unreachable(_))));
    server.start_again();
    until("it is found", || async { state.put("k", "a", "1", When::Always).await.is_ok() }).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew() {
    let Some(server) = Postgres::start() else { return };
    let road = Road::to(&server.socket()).await;
    let state = open(&server_settings(&road.url("postgres")));
    for round in 0..5 {
        until("it goes on", || async { state.put("k", &round.to_string(), "1", When::Always).await.is_ok() })
            .await;
        road.cut();
    }
    assert_eq!(open(&server_settings(&server.url())).list("k", "", 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_no_more_than_the_timeout() {
    let Some(server) = Postgres::start() else { return };
    let road = Road::to(&server.socket()).await;
    let settings = Settings {
        timeout: Duration::from_millis(300),
        connections_max: 2,
        ..server_settings(&road.url("postgres"))
    };
    road.is_open.send_replace(false);
    let state = open(&settings);
    let errors = at_once(8, |_| {
        let state = state.clone();
        async move { state.get("k", "a").await.unwrap_err() }
    })
    .await;
    assert!(errors.iter().all(|error| error.class().is_retryable()), "{errors:?}");
    road.is_open.send_replace(true);
    let patient = open(&Settings { timeout: Duration::from_secs(60), ..settings });
    until("it answers again", || async { patient.get("k", "a").await.is_ok() }).await;
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_from_its_file() {
    let Some(server) = Postgres::start() else { return };
    server.sql("CREATE ROLE keeper LOGIN PASSWORD 'one'");
    server.sql("GRANT CREATE ON SCHEMA public TO keeper");
    let rules = server.socket_dir().join("data/pg_hba.conf");
    std::fs::write(&rules, "local all postgres trust\nlocal all all scram-sha-256\n").unwrap();
    server.sql("SELECT pg_reload_conf()");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "one\n").unwrap();
    let url = server.url().replace("postgres@", "keeper@");
    let mut settings = server_settings(&url);
    let Place::Server { password, .. } = &mut settings.place else { panic!() };
    *password = Some(SecretSource::File(file.clone()));
    let state = open(&settings);
    until("the rules are in force", || async { state.put("k", "a", "1", When::Always).await.is_ok() }).await;

    server.sql("ALTER ROLE keeper PASSWORD 'two'");
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'");
    until("the old password is refused", || async {
        matches!(state.get("k", "a").await, Err(StateError::Denied(_)))
    })
    .await;
    std::fs::write(&file, "two\n").unwrap();
    until("the new one is read", || async { state.get("k", "a").await.is_ok() }).await;
}

#[tokio::test]
async fn a_database_that_moved_is_found_where_its_url_says_now() {
    let (Some(first), Some(second)) = (Postgres::start(), Postgres::start()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    std::fs::write(&file, first.url()).unwrap();
    let place = Place::Server { url: SecretSource::File(file.clone()), password: None };
    let state = open(&Settings { place, ..server_settings("") });
    state.put("k", "a", "first", When::Always).await.unwrap();
    std::fs::write(&file, second.url()).unwrap();
    drop(first);
    until("the second is found and its tables made", || async {
        state.put("k", "b", "second", When::Always).await.is_ok()
    })
    .await;
    assert_eq!(state.get("k", "a").await.unwrap(), None);
    assert_eq!(second.sql("SELECT key FROM promontory_document"), "b");
}

#[tokio::test]
async fn a_server_that_can_only_be_read_is_passed_over() {
    let (Some(standby), Some(primary)) = (Postgres::start(), Postgres::start()) else { return };
    standby.sql("ALTER DATABASE postgres SET default_transaction_read_only = on");
    let (one, two) = (Road::to(&standby.socket()).await, Road::to(&primary.socket()).await);
    let both =
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable", one.port, two.port);
    let state = open(&server_settings(&both));
    state.put("k", "a", "1", When::Always).await.unwrap();
    assert_eq!(primary.sql("SELECT key FROM promontory_document"), "a");
}

#[tokio::test]
async fn a_server_that_never_answers_is_passed_over() {
    let Some(primary) = Postgres::start() else { return };
    // The kernel takes connections, and nobody ever says a word on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, two) = (silent.local_addr().unwrap().port(), Road::to(&primary.socket()).await);
    let both = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{}/postgres?sslmode=disable", two.port);
    let state = open(&server_settings(&both));
    until("the second is reached", || async { state.put("k", "a", "1", When::Always).await.is_ok() }).await;
    assert_eq!(primary.sql("SELECT key FROM promontory_document"), "a");
}

#[tokio::test]
async fn what_the_database_refuses_is_said_plainly() {
    let Some(server) = Postgres::start() else { return };
    let missing = open(&server_settings(&server.url().replace("/postgres", "/missing")));
    let error = missing.get("k", "a").await.unwrap_err();
    assert!(matches!(&error, StateError::Denied(text) if text.contains("missing")), "{error}");
    server.sql("CREATE ROLE guest LOGIN");
    let guest = open(&server_settings(&server.url().replace("postgres@", "guest@")));
    let error = guest.get("k", "a").await.unwrap_err();
    assert!(matches!(&error, StateError::Forbidden(text) if text.contains("permission denied")), "{error}");

    open(&server_settings(&server.url())).get("k", "a").await.unwrap();
    server.sql("INSERT INTO promontory_schema VALUES (99, now())");
    let error = open(&server_settings(&server.url())).get("k", "a").await.unwrap_err();
    assert_eq!(error, StateError::NewerVersion { found: 99, known: 1 });
}

#[tokio::test]
async fn many_programs_that_start_at_once_make_the_tables_once() {
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    let results = at_once(8, |at| {
        let url = url.clone();
        async move { open(&server_settings(&url)).put("k", &at.to_string(), "1", When::Always).await }
    })
    .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(server.sql("SELECT count(*) FROM promontory_schema"), "1");
}
