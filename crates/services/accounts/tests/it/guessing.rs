//! Passwords that are guessed.

use super::*;

#[tokio::test]
async fn guessing_is_slowed_down_and_the_right_password_counts_after_the_delay() {
    let world = Database::file().world(settings()).await;
    let mut last = world.sign_in("admin", "guess 0").await.err().unwrap();
    for at in 1..6 {
        assert_eq!(last.status, 401);
        assert_eq!(last.json()["message"], "invalid username or password");
        last = world.sign_in("admin", &format!("guess {at}")).await.err().unwrap();
    }
    assert_eq!(last.status, 429);
    assert_eq!(last.headers["retry-after"], "1");
    assert_eq!(world.sign_in("admin", PASSWORD).await.err().unwrap().status, 429, "also for the right one");
    assert_eq!(world.as_admin("GET", "/view", "").await.status, 429, "in every way");
    world.clock.advance(Duration::from_secs(1));
    assert!(world.sign_in("admin", PASSWORD).await.is_ok());
    // An account that is not there is treated alike.
    for at in 0..6 {
        last = world.sign_in("nobody", &format!("guess {at}")).await.err().unwrap();
    }
    assert_eq!(last.status, 429);
    let metrics = world.metrics();
    for line in ["{result=\"success\"} 1", "{result=\"failure\"} 10", "{result=\"throttled\"} 4"] {
        assert!(metrics.contains(&format!("promontory_login_attempts_total{line}")), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_password_that_is_remembered_is_not_guessed_faster_than_another() {
    let world = Database::file().world(settings()).await;
    assert_eq!(world.as_admin("GET", "/view", "").await.status, 200, "from now on it is remembered");
    let guess = async |password: &str| {
        let basic = basic("admin", password);
        world.ask("198.51.100.9:1", "GET", "/view", &[("authorization", &basic)], "").await.status
    };
    for at in 0..5 {
        assert_eq!(guess(&format!("guess {at}")).await, 401);
    }
    assert_eq!(guess("guess 5").await, 429);
    assert_eq!(guess(PASSWORD).await, 429, "also the right one");
    let body = serde_json::json!({"user": "admin", "password": PASSWORD}).to_string();
    let answer = world.ask("198.51.100.9:1", "POST", "/login", &[], &body).await;
    assert_eq!((answer.status, answer.cookie("promontory_session")), (429, None));
    assert_eq!(world.as_admin("GET", "/view", "").await.status, 200, "where it was right before");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(guess(PASSWORD).await, 200);
}

#[tokio::test]
async fn many_who_show_the_same_password_at_once_are_one_comparison() {
    let world = Arc::new(Database::file().world(settings()).await);
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.as_admin("GET", "/view", "").await.status })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert!(world.metrics().contains("promontory_login_attempts_total{result=\"success\"} 1\n"));
}

#[tokio::test]
async fn replicas_count_failures_together_and_forget_them_together() {
    for mut database in Database::both("guessing") {
        // One that stands still until it is moved, so that no delay is over before it is looked at.
        database.clock = Clock::manual(Clock::system().now_ms());
        let (one, other) = (database.world(settings()).await, database.world(settings()).await);
        one.add("ada", "Viewer").await;
        until("the other knows her", async || {
            other.as_admin("GET", "/api/users/lookup?loginOrEmail=ada", "").await.status == 200
        })
        .await;
        let mut statuses = Vec::new();
        for at in 0..6 {
            let world = if at % 2 == 0 { &one } else { &other };
            statuses.push(world.sign_in("ada", &format!("guess {at}")).await.err().unwrap().status);
        }
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
        // Whichever is asked, and however: also one that starts only now.
        let third = database.world(settings()).await;
        assert_eq!(third.as_user("ada", PASSWORD, "GET", "/view", "").await.status, 429);
        let signed_in = async || {
            database.clock.advance(Duration::from_secs(1));
            other.sign_in("ada", PASSWORD).await.is_ok()
        };
        until("the delay is over", signed_in).await;
        for at in 0..4 {
            let wrong = one.sign_in("ada", &format!("guess {at}")).await.err().unwrap();
            assert_eq!(wrong.status, 401, "who signed in begins anew everywhere");
        }
        let list = database.state(&Registry::new()).list("throttle", "", 1_000).await.unwrap();
        assert!((1..=64).contains(&list.len()), "{} documents", list.len());
        let text: String =
            list.iter().map(|found| String::from_utf8_lossy(&found.body).into_owned()).collect();
        assert!(!text.contains("ada"), "{text}");
    }
}

#[tokio::test]
async fn who_signs_in_well_writes_nothing_down() {
    let database = Database::file();
    let world = database.world(settings()).await;
    for _ in 0..3 {
        assert!(world.sign_in("admin", PASSWORD).await.is_ok());
    }
    let kept = database.state(&Registry::new()).list("throttle", "", 10).await.unwrap();
    assert_eq!(kept, []);
}

#[tokio::test]
async fn while_the_database_is_away_each_replica_counts_for_itself() {
    let Some(mut server) = Postgres::start() else { return };
    let url = SecretSource::Inline(Secret::new(server.database("away")));
    let database = Database {
        place: Place::Server { url, password: None },
        clock: Clock::manual(Clock::system().now_ms()),
        dir: tempfile::tempdir().unwrap(),
    };
    let world = database.world(settings()).await;
    server.stop();
    let guess =
        async |at: u32| world.as_user("admin", &format!("guess {at}"), "GET", "/view", "").await.status;
    for at in 0..5 {
        assert_eq!(guess(at).await, 401);
    }
    assert_eq!(guess(5).await, 429);
}
