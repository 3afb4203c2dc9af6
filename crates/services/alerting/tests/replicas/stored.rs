//! Three replicas on one real PostgreSQL; one on SQLite.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use alerting::replicas::{MembersStatus, ReplicaError, Stored, StoredSettings, claim_key};
use base::Clock;
use config::Secret;
use config::http_client::SecretSource;
use exposition::Registry;
use state::{Place, Settings, State};
use testkit::postgres::Postgres;

use super::*;

pub(super) fn settings(url: &str) -> Settings {
    let url = SecretSource::Inline(Secret::new(url.to_string()));
    Settings { timeout: Duration::from_secs(60), ..Settings::new(Place::Server { url, password: None }) }
}

fn replica_on(settings: &Settings, name: &str) -> Stored {
    let state = State::open(settings, Clock::system(), &Registry::new()).unwrap();
    let settings =
        StoredSettings { name: name.into(), address: format!("{name}:9093"), ..Default::default() };
    Stored::start(state, settings, &Registry::new())
}

/// The URL of an empty database.
fn database() -> Option<String> {
    static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Postgres::start).as_ref()?;
    Some(server.database(&format!("test_{}", COUNT.fetch_add(1, Ordering::SeqCst))))
}

fn three(url: &str) -> Vec<Arc<dyn Replicas>> {
    ["a", "b", "c"].map(|name| Arc::new(replica_on(&settings(url), name)) as Arc<dyn Replicas>).to_vec()
}

#[tokio::test]
async fn of_three_that_want_to_tell_the_same_groups_one_tells_each() {
    let Some(url) = database() else { return };
    let replicas = three(&url);
    const GROUPS: usize = 2_000;
    let told: Arc<Vec<AtomicUsize>> = Arc::new((0..GROUPS).map(|_| AtomicUsize::new(0)).collect());
    at_once(&replicas, |_, replica| {
        let told = told.clone();
        async move {
            let mut tasks = tokio::task::JoinSet::new();
            for group in 0..GROUPS {
                let (replica, told) = (replica.clone(), told.clone());
                tasks.spawn(async move {
                    let key = claim_key(&format!("group {group}"), "team/webhook[0]");
                    loop {
                        match replica.claim(&key, 600_000).await {
                            Claim::Granted { token, told: None } => {
                                told[group].fetch_add(1, Ordering::SeqCst);
                                replica.release(&key, token, Some(entry(&key, 1, "told"))).await;
                                return;
                            }
                            Claim::Granted { token, told: Some(_) } => {
                                replica.release(&key, token, None).await;
                                return;
                            }
                            Claim::Held { .. } => tokio::task::yield_now().await,
                            Claim::Unreachable => panic!("the database is there"),
                        }
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        }
    })
    .await;
    let counts: Vec<usize> = told.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(counts, vec![1; GROUPS]);
}

#[tokio::test]
async fn what_one_told_the_others_hear_and_the_next_claim_brings_it() {
    for url in [database(), None] {
        let dir = tempfile::tempdir().unwrap();
        // Without a server, three on one file, each as it were after a restart.
        let settings = url.as_deref().map_or_else(|| Settings::in_dir(dir.path()), settings);
        let (a, b) = (replica_on(&settings, "a"), replica_on(&settings, "b"));
        let (mut heard_a, mut heard_b) = (Heard::by(&a), Heard::by(&b));
        let long = "x".repeat(3_000);
        let key = claim_key(&long, "team/webhook[0]");
        let (token, told) = granted(a.claim(&key, 600_000).await);
        assert_eq!(told, None);
        assert!(matches!(b.claim(&key, 600_000).await, Claim::Held { for_ms: 1..=600_000 }));
        a.release(&key, token, Some(entry(&key, 5, "first"))).await;
        let (token, told) = granted(b.claim(&key, 600_000).await);
        assert_eq!(told, Some(entry(&key, 5, "first")));
        b.release(&key, token, None).await;
        let silence = Entry { kind: EntryKind::Silence, ..entry("id", 7, "silence") };
        b.share(vec![silence.clone()]).await.unwrap();
        b.share(vec![Entry { updated_at_ms: 6, ..silence.clone() }]).await.unwrap();
        heard_a.until_heard(&[silence.clone(), entry(&key, 5, "first")]).await;
        heard_b.until_heard(&[silence.clone(), entry(&key, 5, "first")]).await;
        assert_eq!(heard_a.entries[&(EntryKind::Silence, "id".into())], silence, "the newer one stays");
        // One that comes later hears everything.
        Heard::by(&replica_on(&settings, "c")).until_heard(&[silence, entry(&key, 5, "first")]).await;
    }
}

#[tokio::test]
async fn a_lease_of_one_that_died_ends_and_what_it_still_says_late_is_not_lost() {
    let Some(url) = database() else { return };
    let (a, b) = (replica_on(&settings(&url), "a"), replica_on(&settings(&url), "b"));
    let (lost, _) = granted(a.claim("key", 1).await);
    until("the lease ends", || async { matches!(b.claim("key", 600_000).await, Claim::Granted { .. }) })
        .await;
    a.release("key", lost, Some(entry("key", 5, "late"))).await;
    assert!(matches!(a.claim("key", 1).await, Claim::Held { .. }), "the claim of the other one stands");
    Heard::by(&b).until_heard(&[entry("key", 5, "late")]).await;
}

#[tokio::test]
async fn a_claim_that_is_renewed_lasts_and_one_that_is_lost_says_so() {
    let Some(url) = database() else { return };
    let (a, b) = (replica_on(&settings(&url), "a"), replica_on(&settings(&url), "b"));
    let (kept, _) = granted(a.claim("kept", 60_000).await);
    assert!(a.renew("kept", kept, 600_000).await);
    assert!(matches!(b.claim("kept", 1).await, Claim::Held { for_ms: 60_001.. }));
    let (lost, _) = granted(a.claim("lost", 1).await);
    until("the lease ends", || async { matches!(b.claim("lost", 600_000).await, Claim::Granted { .. }) })
        .await;
    assert!(!a.renew("lost", lost, 600_000).await);
}

#[tokio::test]
async fn an_older_entry_never_replaces_a_newer_one_even_with_a_claim() {
    let Some(url) = database() else { return };
    let (a, b) = (replica_on(&settings(&url), "a"), replica_on(&settings(&url), "b"));
    b.share(vec![entry("key", 9, "newer")]).await.unwrap();
    let (token, told) = granted(a.claim("key", 600_000).await);
    assert_eq!(told, Some(entry("key", 9, "newer")));
    a.release("key", token, Some(entry("key", 8, "older"))).await;
    let (_, told) = granted(b.claim("key", 600_000).await);
    assert_eq!(told, Some(entry("key", 9, "newer")));
}

#[tokio::test]
async fn while_the_database_is_away_nobody_waits_long_and_afterwards_nothing_is_missing() {
    let Some(mut server) = Postgres::start() else { return };
    let replicas = three(&server.url());
    let mut heard: Vec<Heard> = replicas.iter().map(|replica| Heard::by(&**replica)).collect();
    for replica in &replicas {
        replica.settled().await;
        until("all three see each other", || async {
            replica.members().list.iter().filter(|member| member.is_healthy).count() == 3
        })
        .await;
        assert_eq!((replica.turn_ms(), replica.members().status), (0, MembersStatus::Ready));
    }
    let (token, _) = granted(replicas[0].claim("held", 600_000).await);
    server.stop();
    for replica in &replicas {
        assert_eq!(replica.claim("key", 600_000).await, Claim::Unreachable);
    }
    let turns: Vec<i64> = replicas.iter().map(|replica| replica.turn_ms()).collect();
    assert_eq!(turns, [0, 15_000, 30_000], "by name, so that they need not tell at once");
    // What they told without a claim, and what was told under the one that was held.
    let during: Vec<Entry> =
        (0..3).flat_map(|at| (0..100).map(move |group| entry(&format!("{at}/{group}"), 5, "told"))).collect();
    let shared = at_once(&replicas, |at, replica| {
        let mine = during[at * 100..(at + 1) * 100].to_vec();
        async move { replica.share(mine).await }
    })
    .await;
    assert!(shared.iter().all(|result| matches!(result, Err(ReplicaError::Unreachable(_)))), "{shared:?}");
    replicas[0].release("held", token, Some(entry("held", 5, "told"))).await;
    server.start_again();
    for heard in &mut heard {
        heard.until_heard(&during).await;
        heard.until_heard(&[entry("held", 5, "told")]).await;
    }
    // Claims are granted again once all had time to share; the one that was held is free.
    until("a claim is granted", || async {
        match replicas[2].claim("held", 1).await {
            Claim::Granted { told, .. } => {
                assert_eq!(told, Some(entry("held", 5, "told")));
                true
            }
            Claim::Held { .. } | Claim::Unreachable => false,
        }
    })
    .await;
}

#[tokio::test]
async fn who_leaves_is_missed_and_the_others_move_up() {
    let Some(url) = database() else { return };
    let (a, b) = (replica_on(&settings(&url), "a"), replica_on(&settings(&url), "b"));
    until("b sees a", || async { b.members().list.iter().filter(|member| member.is_healthy).count() == 2 })
        .await;
    assert_eq!((b.members().position, b.members().name.as_str()), (1, "b"));
    assert_eq!(b.members().list[0].address, "a:9093");
    a.leave().await;
    drop(a);
    until("b is the first", || async { b.members().position == 0 }).await;
    let healthy: Vec<(String, bool)> =
        b.members().list.into_iter().map(|member| (member.name, member.is_healthy)).collect();
    assert_eq!(healthy, [("a".to_string(), false), ("b".to_string(), true)]);
}

#[tokio::test]
async fn without_a_database_at_the_start_it_goes_on_after_the_time_for_that() {
    let Some(mut server) = Postgres::start() else { return };
    server.stop();
    let state = State::open(&settings(&server.url()), Clock::system(), &Registry::new()).unwrap();
    let name = "a".to_string();
    let settle_timeout = Duration::from_millis(50);
    let replica =
        Stored::start(state, StoredSettings { name, settle_timeout, ..Default::default() }, &Registry::new());
    let mut heard = Heard::by(&replica);
    tokio::time::timeout(Duration::from_secs(60), replica.settled()).await.unwrap();
    assert_eq!(replica.claim("key", 1_000).await, Claim::Unreachable);
    server.start_again();
    until("it is found", || async { matches!(replica.claim("key", 1).await, Claim::Granted { .. }) }).await;
    replica.share(vec![entry("key", 1, "x")]).await.unwrap();
    heard.until_heard(&[entry("key", 1, "x")]).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_does_not_stop_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let replica = replica_on(&Settings::in_dir(dir.path()), "a");
    let large = Entry { body: vec![0; (8 << 20) + 1], ..entry("large", 1, "") };
    assert!(matches!(replica.share(vec![large]).await, Err(ReplicaError::TooLarge { .. })));
    replica.share(vec![entry("small", 1, "x")]).await.unwrap();
}
