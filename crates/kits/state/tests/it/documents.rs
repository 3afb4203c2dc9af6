//! Documents: conditions, revisions, following, ends.

use state::{BODY_SIZE_MAX_BYTES, StateError, When, Write, Written};

use super::*;

#[tokio::test]
async fn a_change_is_made_only_on_its_condition_and_stays_after_a_restart() {
    for database in Database::both() {
        let state = database.open();
        let Written::Done { revision: first } = state.put("user", "ann", "1", When::Absent).await.unwrap()
        else {
            panic!("it was not there")
        };
        let refused = state.put("user", "ann", "2", When::Absent).await.unwrap();
        assert_eq!(refused, Written::Refused { revision: Some(first) });
        assert_eq!(
            state.put("user", "bob", "2", When::At(1)).await.unwrap(),
            Written::Refused { revision: None }
        );
        let Written::Done { revision: second } =
            state.put("user", "ann", "3", When::At(first)).await.unwrap()
        else {
            panic!("it was at its first revision")
        };
        assert!(second > first, "every change has a larger revision");
        assert!(matches!(
            state.put("user", "ann", "4", When::At(first)).await.unwrap(),
            Written::Refused { .. }
        ));
        drop(state);
        let state = database.open();
        let found = state.get("user", "ann").await.unwrap().unwrap();
        assert_eq!((found.body, found.revision), (b"3".to_vec(), second));
        assert_eq!(state.get("group", "ann").await.unwrap(), None, "a kind is a space of its own");
        assert!(matches!(state.delete("user", "ann", When::At(second)).await.unwrap(), Written::Done { .. }));
        assert_eq!(state.get("user", "ann").await.unwrap(), None);
        assert!(matches!(state.delete("user", "ann", When::Always).await.unwrap(), Written::Refused { .. }));
    }
}

#[tokio::test]
async fn one_bad_change_undoes_all_of_its_step() {
    for database in Database::both() {
        let state = database.open();
        let twice = vec![Write::put("k", "a", "1"), Write::put("k", "b", "1"), Write::put("k", "a", "2")];
        assert!(matches!(state.write(twice).await, Err(StateError::Input(_))));
        let large = vec![Write::put("k", "a", "1"), Write::put("k", "b", vec![0; BODY_SIZE_MAX_BYTES + 1])];
        assert!(matches!(state.write(large).await, Err(StateError::TooLarge { .. })));
        assert!(state.list("k", "", 10).await.unwrap().is_empty());
        assert!(state.write(Vec::new()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_many_writers_at_once_exactly_one_meets_its_condition() {
    for database in Database::both() {
        let state = database.open();
        let results = at_once(16, |at| {
            let state = state.clone();
            async move { state.put("k", "a", at.to_string(), When::Absent).await.unwrap() }
        })
        .await;
        let done = results.iter().filter(|result| matches!(result, Written::Done { .. })).count();
        assert_eq!(done, 1, "{results:?}");
    }
}

#[tokio::test]
async fn what_is_newer_stays_in_whatever_order_it_comes() {
    for database in Database::both() {
        let state = database.open();
        let put = |stamp_ms, body: &str| vec![Write::put("k", "a", body).newer(stamp_ms)];
        for (stamp_ms, body, now) in
            [(5, "e", "e"), (4, "z", "e"), (6, "a", "a"), (6, "b", "b"), (6, "a", "b"), (6, "b", "b")]
        {
            state.write(put(stamp_ms, body)).await.unwrap();
            let found = state.get("k", "a").await.unwrap().unwrap();
            assert_eq!(found.body, now.as_bytes(), "after {stamp_ms} {body}");
        }
        // Even after it was deleted.
        state.write(vec![Write::delete("k", "a").newer(9)]).await.unwrap();
        state.write(put(8, "late")).await.unwrap();
        assert_eq!(state.get("k", "a").await.unwrap(), None);
    }
}

#[tokio::test]
async fn documents_are_listed_in_pages_by_key() {
    for database in Database::both() {
        let state = database.open();
        let writes = ["b", "a", "c", "ä", "B"].map(|key| Write::put("k", key, key)).to_vec();
        state.write(writes).await.unwrap();
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = state.list("k", &after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            seen.extend(page.into_iter().map(|document| document.key));
        }
        assert_eq!(seen, ["B", "a", "b", "c", "ä"]);
    }
}

#[tokio::test]
async fn what_has_expired_is_gone_and_forgotten_later() {
    for database in Database::both() {
        let state = database.open();
        let now_ms = state.now_ms().await.unwrap();
        state.write(vec![Write::put("k", "a", "1").expiring_at(now_ms + 60_000)]).await.unwrap();
        state.write(vec![Write::put("k", "b", "1")]).await.unwrap();
        assert!(state.get("k", "a").await.unwrap().is_some());
        database.pass(120_000).await;
        assert_eq!(state.get("k", "a").await.unwrap(), None);
        assert_eq!(state.list("k", "", 10).await.unwrap().len(), 1);
        assert!(matches!(
            state.put("k", "a", "2", When::At(1)).await.unwrap(),
            Written::Refused { revision: None }
        ));
        let bodies = |changes: &state::Changes| {
            changes.list.iter().map(|change| change.body.is_some()).collect::<Vec<_>>()
        };
        let changes = state.changes(0).await.unwrap();
        assert_eq!(bodies(&changes), [false, true], "a follower hears that it is gone");
        state.purge().await.unwrap();
        assert_eq!(state.changes(0).await.unwrap().list.len(), 2, "and can for a day");
        database.pass(25 * 3_600_000).await;
        state.purge().await.unwrap();
        assert_eq!(state.changes(0).await.unwrap().list.len(), 1);
    }
}

#[tokio::test]
async fn a_follower_hears_of_every_change_once_and_in_order() {
    for database in Database::both() {
        let state = database.open();
        let writers = 8;
        let each = 40;
        let follower = tokio::spawn({
            let state = state.clone();
            async move {
                let (mut since, mut seen) = (0, Vec::new());
                let mut wakeups = state.wakeups();
                while seen.len() < writers * each {
                    let changes = state.changes(since).await.unwrap();
                    assert!(!changes.is_restart);
                    for change in changes.list {
                        assert!(change.revision > since, "in order");
                        since = change.revision;
                        seen.push(change.key);
                    }
                    assert!(changes.revision >= since);
                    since = changes.revision;
                    if !changes.has_more && seen.len() < writers * each {
                        tokio::time::timeout(Duration::from_secs(60), wakeups.changed())
                            .await
                            .unwrap()
                            .unwrap();
                    }
                }
                seen
            }
        });
        at_once(writers, |writer| {
            let state = state.clone();
            async move {
                for at in 0..each {
                    state.put("k", &format!("{writer}/{at}"), "x", When::Always).await.unwrap();
                }
            }
        })
        .await;
        let mut seen = follower.await.unwrap();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), writers * each);
    }
}

#[tokio::test]
async fn changes_come_in_bounded_pages() {
    for database in Database::both() {
        let state = database.open();
        let many: Vec<Write> = (0..1_100).map(|at| Write::put("k", format!("{at:04}"), "x")).collect();
        state.write(many).await.unwrap();
        for at in 0..3 {
            state.put("large", &at.to_string(), vec![at; 5 << 20], When::Always).await.unwrap();
        }
        let (mut since, mut pages, mut keys) = (0, Vec::new(), Vec::new());
        loop {
            let changes = state.changes(since).await.unwrap();
            pages.push(changes.list.len());
            keys.extend(changes.list.into_iter().map(|change| change.key));
            since = changes.revision;
            if !changes.has_more {
                break;
            }
        }
        assert_eq!(keys.len(), 1_103);
        assert!(pages.iter().all(|length| *length <= 500), "{pages:?}");
        assert_eq!(&pages[pages.len() - 2..], [1, 1], "five megabytes each");
        assert!(state.changes(since).await.unwrap().list.is_empty());
    }
}

#[tokio::test]
async fn a_follower_that_was_away_too_long_begins_anew() {
    for database in Database::both() {
        let state = database.open();
        state.put("k", "a", "1", When::Always).await.unwrap();
        let since = state.changes(0).await.unwrap().revision;
        state.delete("k", "a", When::Always).await.unwrap();
        state.put("k", "b", "1", When::Always).await.unwrap();
        let changes = state.changes(since).await.unwrap();
        let told: Vec<_> =
            changes.list.iter().map(|change| (change.key.as_str(), change.body.is_some())).collect();
        assert_eq!((told, changes.is_restart), (vec![("a", false), ("b", true)], false));
        database.pass(25 * 3_600_000).await;
        state.purge().await.unwrap();
        let changes = state.changes(since).await.unwrap();
        assert_eq!((changes.list.len(), changes.is_restart), (1, true));
        let other = state.changes(i64::MAX - 1).await.unwrap();
        assert_eq!((other.list.len(), other.is_restart), (1, true), "the revision of another database");
    }
}

#[tokio::test]
async fn a_file_is_private_and_one_of_a_newer_version_or_another_kind_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::file();
    let Place::File(path) = database.settings.place.clone() else { panic!("a file") };
    database.open().put("k", "a", "1", When::Always).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(other);
    let open = || State::open(&database.settings, database.clock.clone(), &Registry::new()).err().unwrap();
    assert_eq!(open(), StateError::NewerVersion { found: 99, known: 1 });
    std::fs::remove_file(&path).unwrap();
    let _ = std::fs::remove_file(path.with_extension("db-wal"));
    std::fs::write(&path, "this is not a database, whatever its name says; it is long enough to look")
        .unwrap();
    let error = open();
    assert!(matches!(&error, StateError::Corrupt(text) if text.contains("state.db")), "{error}");
}

#[tokio::test]
async fn a_file_whose_disk_gives_no_room_at_the_start_is_opened_later() {
    let dir = tempfile::tempdir().unwrap();
    // A file stands where the folder would be, until it is removed.
    let folder = dir.path().join("data");
    std::fs::write(&folder, "").unwrap();
    let settings = Settings::in_dir(&folder);
    let state = State::open(&settings, Clock::system(), &Registry::new()).unwrap();
    assert!(matches!(state.get("k", "a").await, Err(StateError::Unreachable(_))));
    std::fs::remove_file(&folder).unwrap();
    state.put("k", "a", "1", When::Always).await.unwrap();
    assert_eq!(state.get("k", "a").await.unwrap().unwrap().body, b"1");
}
