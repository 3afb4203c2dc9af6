//! How well a name fits what was typed: 1 is best, 0 is not at all.

/// A match that is not exact stays below 1 by this factor.
const NOT_EXACT: f64 = 0.999;

/// One term, as characters.
pub(super) struct Term {
    text: String,
    chars: Vec<char>,
    fuzzy: bool,
    threshold: f64,
}

impl Term {
    /// A term that is not empty. With `similar`, names count that contain the term or, above a
    /// threshold of 0, are similar to it by Jaro and Winkler; without, those that have its
    /// characters in order.
    pub(super) fn new(text: &str, similar: bool, threshold: f64) -> Self {
        Term { text: text.to_string(), chars: text.chars().collect(), fuzzy: similar, threshold }
    }

    /// The score, if the name is close enough.
    pub(super) fn score(&self, name: &str) -> Option<f64> {
        if name.starts_with(&self.text) {
            return Some(1.0);
        }
        let chars: Vec<char> = name.chars().collect();
        if !self.fuzzy {
            let score = subsequence(&self.chars, &chars);
            return (score > 0.0 && score >= self.threshold).then_some(score);
        }
        if let Some(at) = name.find(&self.text) {
            // From 1 at the beginning down to 0.1 at the end.
            let before = name.get(..at).map_or(0, |before| before.chars().count());
            let room = chars.len().saturating_sub(self.chars.len()).max(1);
            return Some(1.0 - 0.9 * before as f64 / room as f64);
        }
        let score = jaro_winkler(&self.chars, &chars);
        (self.threshold > 0.0 && score >= self.threshold).then_some(score)
    }
}

/// Runs of matching characters count squared; a gap, or what stands before, costs its share of the
/// name's length, what stands after half of that. The sum is measured against the term in one run,
/// and the best place to start counts. From each place characters are taken as early as possible.
fn subsequence(term: &[char], name: &[char]) -> f64 {
    if term == name {
        return 1.0;
    }
    let mut best = -1.0f64;
    for start in 0..(name.len() + 1).saturating_sub(term.len()) {
        if name.get(start) != term.first() {
            continue;
        }
        // What cannot be completed from here cannot be from further on.
        let Some(score) = from(term, name, start) else { break };
        best = best.max(score);
    }
    if best < 0.0 { 0.0 } else { best / (term.len() * term.len()) as f64 * NOT_EXACT }
}

fn from(term: &[char], name: &[char], start: usize) -> Option<f64> {
    let share = 1.0 / name.len() as f64;
    let mut score = 0.0;
    let mut wanted = term.iter().peekable();
    let (mut run, mut gap) = (0usize, start);
    let mut place = start;
    while let Some(next) = wanted.peek() {
        if name.get(place)? == *next {
            score -= gap as f64 * share;
            gap = 0;
            run += 1;
            wanted.next();
        } else {
            score += (run * run) as f64;
            run = 0;
            gap += 1;
        }
        place += 1;
    }
    score += (run * run) as f64;
    Some(score - (name.len() - place) as f64 * share * 0.5)
}

/// The similarity of Jaro with Winkler's bonus of a tenth for each of up to four first characters
/// that agree.
fn jaro_winkler(a: &[char], b: &[char]) -> f64 {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return 0.0;
    }
    let reach = (long.len() / 2).saturating_sub(1);
    let mut taken = vec![false; long.len()];
    let mut matched: Vec<char> = Vec::new();
    for (at, c) in short.iter().enumerate() {
        let window = at.saturating_sub(reach)..(at + reach + 1).min(long.len());
        let free = window.into_iter().find(|place| !taken[*place] && long[*place] == *c);
        if let Some(place) = free {
            taken[place] = true;
            matched.push(*c);
        }
    }
    if matched.is_empty() {
        return 0.0;
    }
    let in_long = long.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(c, _)| c);
    let moved = matched.iter().zip(in_long).filter(|(a, b)| a != b).count() as f64;
    let count = matched.len() as f64;
    let jaro = (count / short.len() as f64 + count / long.len() as f64 + (count - moved / 2.0) / count) / 3.0;
    let agree = short.iter().zip(long).take(4).take_while(|(a, b)| a == b).count() as f64;
    jaro + agree * 0.1 * (1.0 - jaro)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn a_term_in_one_run_beats_scattered_letters() {
        let score = |term: &str, name: &str| subsequence(&chars(term), &chars(name));
        assert_eq!(score("up", "up"), 1.0);
        assert_eq!(score("x", "up"), 0.0);
        assert_eq!(score("pu", "up"), 0.0);
        // Two runs of 1 with a gap of 1 of 3: (1 + 1 - 1/3) / 4 * 0.999.
        assert!((score("ab", "axb") - 0.999 * (2.0 - 1.0 / 3.0) / 4.0).abs() < 1e-12);
        // One run of 2 after 1 of 4, 1 behind: (4 - 1/4 - 1/8) / 4 * 0.999.
        assert!((score("ab", "xaby") - 0.999 * (4.0 - 0.375) / 4.0).abs() < 1e-12);
        // The second start is better than the first.
        assert!(score("ab", "axab") > score("ab", "axbx"));
    }

    #[test]
    fn similarity_has_the_values_of_the_literature() {
        for (a, b, score) in
            [("martha", "marhta", 0.961), ("dixon", "dicksonx", 0.813), ("dwayne", "duane", 0.84)]
        {
            assert!((jaro_winkler(&chars(a), &chars(b)) - score).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn a_name_that_contains_the_term_scores_by_its_place() {
        let term = Term::new("req", true, 0.0);
        assert_eq!(term.score("requests"), Some(1.0));
        assert_eq!(term.score("http_req"), Some(1.0 - 0.9));
        assert_eq!(term.score("rqe"), None);
        assert!(Term::new("req", true, 0.5).score("rqe").is_some());
    }
}
