//! A fuzzer for decoders: takes inputs that are right, breaks them at random, and sees that the code
//! under test neither panics nor takes more memory or time than it may.
//!
//! A target is an ordinary test. By itself it runs a fixed number of inputs from a fixed seed; with
//! `PROMONTORY_FUZZ_SECONDS` it runs so long with fresh ones (`cargo xtask fuzz` does that). Inputs that
//! lead to a new outcome are kept and broken further, which stands in for measuring coverage.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::allocation::peak_bytes;

/// Inputs that are kept.
const CORPUS_MAX: usize = 2_000;
/// No mutant is longer.
const INPUT_MAX_BYTES: usize = 64 << 10;
/// One input may take so long. Far more than any needs, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(20);

/// A small seeded generator (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_u64() >> 11) as usize % limit.max(1)
    }
}

/// A target and its settings.
pub struct Fuzz<'a> {
    name: &'a str,
    corpus: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    mend: Option<&'a dyn Fn(&mut [u8])>,
    cases: u64,
    memory_max_bytes: usize,
}

impl<'a> Fuzz<'a> {
    /// A target that begins with these inputs. The name is for the report.
    pub fn new(name: &'a str, corpus: Vec<Vec<u8>>) -> Self {
        assert!(!corpus.is_empty(), "there is nothing to begin with");
        Fuzz { name, corpus, tokens: Vec::new(), mend: None, cases: 2_000, memory_max_bytes: 64 << 20 }
    }

    /// Texts that mean something in the format.
    pub fn tokens<T: AsRef<[u8]>>(mut self, tokens: &[T]) -> Self {
        self.tokens = tokens.iter().map(|token| token.as_ref().to_vec()).collect();
        self
    }

    /// Makes checksums right again after an input was broken, in nine of ten inputs, so that what lies
    /// behind the checksum is tried too.
    pub fn mend(mut self, mend: &'a dyn Fn(&mut [u8])) -> Self {
        self.mend = Some(mend);
        self
    }

    /// How many inputs are tried when no time is given.
    pub fn cases(mut self, cases: u64) -> Self {
        self.cases = cases;
        self
    }

    /// What one input may cost at most, in memory of the thread.
    pub fn memory_max_bytes(mut self, bytes: usize) -> Self {
        self.memory_max_bytes = bytes;
        self
    }

    /// Runs. `check` panics if something is wrong; what it returns stands for the outcome.
    #[allow(clippy::disallowed_methods, reason = "a real run takes real time")]
    pub fn run<T: Hash>(self, check: impl Fn(&[u8]) -> T) {
        let seconds = number("PROMONTORY_FUZZ_SECONDS");
        let seed = number("PROMONTORY_FUZZ_SEED").unwrap_or_else(|| match seconds {
            Some(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64),
            None => 1,
        });
        let random = &mut Random::new(seed);
        let mut corpus = self.corpus.clone();
        let mut outcomes = HashSet::new();
        for input in &self.corpus {
            outcomes.insert(self.one(seed, input, &check));
        }
        let (started, mut count) = (Instant::now(), 0u64);
        while match seconds {
            Some(seconds) => started.elapsed() < Duration::from_secs(seconds),
            None => count < self.cases,
        } {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..1 << random.below(5) {
                self.mutate(&mut input, &corpus, random);
            }
            input.truncate(INPUT_MAX_BYTES);
            if let Some(mend) = self.mend.filter(|_| random.below(10) > 0) {
                mend(&mut input);
            }
            if outcomes.insert(self.one(seed, &input, &check)) && corpus.len() < CORPUS_MAX {
                corpus.push(input);
            }
            count += 1;
        }
        println!("{}: {count} inputs, {} outcomes, seed {seed}", self.name, outcomes.len());
    }

    #[allow(clippy::disallowed_methods, reason = "a real run takes real time")]
    fn one<T: Hash>(&self, seed: u64, input: &[u8], check: &impl Fn(&[u8]) -> T) -> u64 {
        let started = Instant::now();
        let (outcome, bytes) = peak_bytes(|| catch_unwind(AssertUnwindSafe(|| check(input))));
        let fail = |what: &str| {
            let path = std::env::temp_dir().join(format!("fuzz-{}-{seed}", self.name));
            let kept = std::fs::write(&path, input).is_ok();
            println!(
                "{}, seed {seed}: {what}, {} bytes{}",
                self.name,
                input.len(),
                match kept {
                    true => format!(", kept in {}", path.display()),
                    false => String::new(),
                }
            );
            println!("{}", escaped(input));
        };
        let outcome = outcome.unwrap_or_else(|panic| {
            fail("this input panics");
            resume_unwind(panic)
        });
        if bytes > self.memory_max_bytes {
            fail("this input takes too much memory");
            panic!("{}: {bytes} bytes for an input of {} bytes", self.name, input.len());
        }
        if started.elapsed() > TIME_MAX {
            fail("this input takes too long");
            panic!("{}: {:?} for an input of {} bytes", self.name, started.elapsed(), input.len());
        }
        let mut hasher = DefaultHasher::new();
        outcome.hash(&mut hasher);
        hasher.finish()
    }

    fn mutate(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
        let at = random.below(input.len() + 1);
        let length = (1 << random.below(8)).min(input.len() - at);
        match random.below(13) {
            0..3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, random.next_u64() as u8][random.below(6)];
                }
            }
            4 => {
                input.drain(at..at + length);
            }
            5 => {
                let copy = input[at..at + length].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            6 => {
                let bytes: Vec<u8> = (0..1 + random.below(8)).map(|_| random.next_u64() as u8).collect();
                input.splice(at..at, bytes);
            }
            7 => input.truncate(at),
            8 | 9 => {
                let number = interesting(random);
                let replaced = number.len().min(input.len() - at);
                input.splice(at..at + replaced, number);
            }
            10 | 11 if !self.tokens.is_empty() => {
                let token = self.tokens[random.below(self.tokens.len())].clone();
                let replaced = if random.below(2) == 0 { token.len().min(input.len() - at) } else { 0 };
                input.splice(at..at + replaced, token);
            }
            _ => {
                // The rest comes from another input.
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// A number that decoders stumble over, in one of the usual forms.
fn interesting(random: &mut Random) -> Vec<u8> {
    let power = 1u64 << random.below(64);
    let number = [0, 1, power, power - 1, power.wrapping_neg(), u64::MAX, i64::MAX as u64, random.next_u64()]
        [random.below(8)];
    match random.below(7) {
        0 => (number as u16).to_be_bytes().to_vec(),
        1 => (number as u32).to_be_bytes().to_vec(),
        2 => (number as u32).to_le_bytes().to_vec(),
        3 => number.to_be_bytes().to_vec(),
        4 => number.to_le_bytes().to_vec(),
        5 => (number as i64).to_string().into_bytes(),
        _ => {
            let (mut bytes, mut rest) = (Vec::new(), number);
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The input as a Rust byte string, cut where it gets long.
fn escaped(input: &[u8]) -> String {
    let mut text = String::from("b\"");
    for byte in input.iter().take(2_000) {
        let _ = write!(text, "{}", byte.escape_ascii());
    }
    text.push_str(if input.len() > 2_000 { "\" and more" } else { "\"" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_panics_behind_a_checksum_is_found() {
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
        let mend = |input: &mut [u8]| {
            if let Some((last, rest)) = input.split_last_mut() {
                *last = sum(rest);
            }
        };
        let fuzz = Fuzz::new("test", vec![vec![1, 2, 3, 0]]).mend(&mend).cases(100_000);
        let found = catch_unwind(AssertUnwindSafe(|| {
            fuzz.run(|input| {
                let Some((last, rest)) = input.split_last() else { return 0 };
                assert!(*last != sum(rest) || rest.first() != Some(&0xff) || rest.len() < 6, "found");
                rest.len().min(10)
            });
        }));
        assert!(found.is_err());
    }

    #[test]
    fn an_input_that_takes_much_memory_is_found() {
        let fuzz = Fuzz::new("memory", vec![vec![0; 4]]).memory_max_bytes(1 << 20).cases(100_000);
        let found = catch_unwind(AssertUnwindSafe(|| {
            fuzz.run(|input| {
                let length = input.first_chunk().map_or(0, |head| u32::from_be_bytes(*head) & 0xff_ffff);
                Vec::<u8>::with_capacity(length as usize).len()
            });
        }));
        assert!(found.is_err());
    }
}
