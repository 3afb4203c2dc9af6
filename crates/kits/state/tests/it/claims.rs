//! Claims: one holder, leases, fencing.

use state::{Ask, Claimed, Release, Released, Token, When, Write};

use super::*;

async fn claim(state: &State, holder: &str, key: &str, lease_ms: i64) -> Claimed {
    let asks = vec![Ask { key: key.into(), lease_ms }];
    state.claim(holder, asks, Some("ledger")).await.unwrap().remove(0)
}

fn token(claimed: &Claimed) -> Token {
    match claimed {
        Claimed::Granted { token, .. } => *token,
        Claimed::Held { by, for_ms } => panic!("held by {by} for {for_ms} ms"),
    }
}

async fn release(state: &State, key: &str, token: Token, write: Option<Write>) -> Released {
    let release = Release { key: key.into(), token, write };
    state.release(vec![release]).await.unwrap().remove(0)
}

#[tokio::test]
async fn of_many_who_claim_at_once_exactly_one_is_granted() {
    for database in Database::both() {
        let states = [database.open(), database.open(), database.open()];
        for round in 0..20 {
            let results = at_once(9, |at| {
                let state = states[at % 3].clone();
                async move { claim(&state, &format!("holder {at}"), &format!("key {round}"), 600_000).await }
            })
            .await;
            let granted = results.iter().filter(|result| matches!(result, Claimed::Granted { .. })).count();
            assert_eq!(granted, 1, "{results:?}");
        }
    }
}

#[tokio::test]
async fn batches_that_overlap_in_any_order_never_block_each_other_nor_share_a_claim() {
    for database in Database::both() {
        let states = [database.open(), database.open(), database.open()];
        for round in 0..10 {
            let results = at_once(6, |at| {
                let state = states[at % 3].clone();
                async move {
                    let mut asks: Vec<Ask> = (0..100)
                        .map(|key| Ask {
                            key: format!("{round}/{}", (key * 37 + at * 11) % 100),
                            lease_ms: 600_000,
                        })
                        .collect();
                    if at % 2 == 0 {
                        asks.reverse();
                    }
                    let keys: Vec<String> = asks.iter().map(|ask| ask.key.clone()).collect();
                    let claimed = state.claim(&format!("{round}/{at}"), asks, None).await.unwrap();
                    let mine: Vec<(String, Token)> = keys
                        .into_iter()
                        .zip(claimed)
                        .filter(|(_, claimed)| matches!(claimed, Claimed::Granted { .. }))
                        .map(|(key, claimed)| (key, token(&claimed)))
                        .collect();
                    let releases = mine.iter().map(|(key, token)| Release {
                        key: key.clone(),
                        token: *token,
                        write: None,
                    });
                    let count = mine.len();
                    if at < 3 {
                        let released = state.release(releases.collect()).await.unwrap();
                        assert!(released.iter().all(|one| *one == Released::Done));
                    }
                    count
                }
            })
            .await;
            assert!(results.iter().sum::<usize>() >= 100, "{results:?}");
        }
    }
}

#[tokio::test]
async fn a_lease_ends_by_the_databases_clock_and_a_lost_token_can_do_nothing() {
    for database in Database::both() {
        let state = database.open();
        let first = token(&claim(&state, "a", "key", 60_000).await);
        let Claimed::Held { by, for_ms } = claim(&state, "b", "key", 60_000).await else {
            panic!("it is held")
        };
        assert!(by == "a" && (1..=60_000).contains(&for_ms), "{by} {for_ms}");
        assert!(state.renew("key", first, 60_000).await.unwrap());
        database.pass(61_000).await;
        assert!(!state.renew("key", first, 60_000).await.unwrap(), "what has ended cannot be renewed");
        let second = token(&claim(&state, "b", "key", 60_000).await);
        assert!(second > first);
        let late = Write::put("ledger", "key", "of the first");
        assert_eq!(release(&state, "key", first, Some(late)).await, Released::Lost);
        assert_eq!(state.get("ledger", "key").await.unwrap(), None, "its change is not made");
        assert!(
            matches!(claim(&state, "c", "key", 60_000).await, Claimed::Held { .. }),
            "the second is untouched"
        );
        let write = Write::put("ledger", "key", "of the second");
        assert_eq!(release(&state, "key", second, Some(write)).await, Released::Done);
        let Claimed::Granted { document, .. } = claim(&state, "a", "key", 60_000).await else {
            panic!("it is free")
        };
        assert_eq!(document.unwrap().body, b"of the second", "the next one is told what the last one wrote");
    }
}

#[tokio::test]
async fn who_asks_again_because_an_answer_got_lost_is_granted_anew() {
    for database in Database::both() {
        let state = database.open();
        let lost = token(&claim(&state, "a", "key", 60_000).await);
        let again = token(&claim(&state, "a", "key", 60_000).await);
        assert_eq!(release(&state, "key", lost, None).await, Released::Lost);
        assert_eq!(release(&state, "key", again, None).await, Released::Done);
        assert_eq!(release(&state, "key", again, None).await, Released::Lost, "only once");
    }
}

#[tokio::test]
async fn work_under_claims_never_overlaps_and_loses_nothing() {
    for database in Database::both() {
        let states = [database.open(), database.open(), database.open()];
        at_once(6, |at| {
            let state = states[at % 3].clone();
            async move {
                let mut done = 0;
                while done < 20 {
                    let Claimed::Granted { token, document } =
                        claim(&state, &at.to_string(), "count", 600_000).await
                    else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    // If two were here at once, one of the additions would be lost.
                    let count = document.map_or(0, |document| {
                        String::from_utf8(document.body).unwrap().parse::<u32>().unwrap()
                    });
                    let write = Write::put("ledger", "count", (count + 1).to_string()).when(When::Always);
                    assert_eq!(release(&state, "count", token, Some(write)).await, Released::Done);
                    done += 1;
                }
            }
        })
        .await;
        assert_eq!(states[0].get("ledger", "count").await.unwrap().unwrap().body, b"120");
    }
}
