//! The store on a disk that fails, under a clock that jumps: programs made of a seed, checked against a
//! naive model after every step that could go wrong.
//!
//! A seed that fails is run again by `PROMONTORY_SEED=… cargo test -p promontory-tsdb --test simulation`, which
//! also prints each step. `PROMONTORY_SEEDS=…` says how many fresh seeds are tried.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod oracle;
mod program;
mod regressions;

use std::time::{SystemTime, UNIX_EPOCH};

use program::{Faultiness, Program};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            println!("replay it: PROMONTORY_SEED={seed} cargo test -p promontory-tsdb --test simulation");
        }
    }
}

fn run(seed: u64) {
    let _announce = Announce(seed);
    Program::new(seed, Faultiness::of(seed), number("PROMONTORY_SEED").is_some()).run();
}

#[test]
fn what_is_promised_is_kept_under_the_faults_of_fixed_seeds() {
    match number("PROMONTORY_SEED") {
        Some(seed) => run(seed),
        None => (0..50).for_each(run),
    }
}

#[test]
fn what_is_promised_is_kept_under_the_faults_of_fresh_seeds() {
    if number("PROMONTORY_SEED").is_some() {
        return;
    }
    let first = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let count = number("PROMONTORY_SEEDS").unwrap_or(6);
    println!("fresh seeds from {first}");
    (first..first + count).for_each(run);
}
