//! Texts cut to what receivers take, and names of groups that they can hold.

use cloud::encoding::{hex, sha256};

/// What stands where the rest was cut off.
const CUT: char = '…';

/// A text of at most so many characters. A longer one ends with an ellipsis, which counts.
pub(crate) fn cut_to_chars(text: String, chars_max: usize) -> String {
    // No text has more characters than bytes.
    if text.len() <= chars_max || text.chars().nth(chars_max).is_none() {
        return text;
    }
    if chars_max <= 3 {
        return text.chars().take(chars_max).collect();
    }
    text.chars().take(chars_max - 1).chain([CUT]).collect()
}

/// The longest part of a text, from its start, that takes at most so many bytes.
pub(crate) fn start_in_bytes(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What a group is called where its key may be too long: SHA-256 in hexadecimal.
pub(crate) fn hashed(group_key: &str) -> String {
    hex(&sha256(group_key.as_bytes()))
}

/// The parts of a list in a text. Empty ones do not count.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    text.trim().split(',').filter(|part| !part.is_empty()).collect()
}

/// Text as it may stand in one part of a URL's path.
pub(crate) fn path_encoded(text: &str) -> String {
    cloud::encoding::percent_encoded(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_with_an_ellipsis() {
        for (text, chars_max, expected) in [
            ("", 5, ""),
            ("abcde", 5, "abcde"),
            ("abcdef", 5, "abcd…"),
            ("äöüäöü", 5, "äöüä…"),
            ("äöüäö", 5, "äöüäö"),
            ("abcd", 3, "abc"),
            ("abcd", 0, ""),
        ] {
            assert_eq!(cut_to_chars(text.to_string(), chars_max), expected);
        }
    }

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(start_in_bytes("aäb", 2), "a");
        assert_eq!(start_in_bytes("aäb", 3), "aä");
        assert_eq!(start_in_bytes("aäb", 4), "aäb");
    }

    #[test]
    fn groups_have_short_names() {
        assert_eq!(hashed("1"), "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
    }

    #[test]
    fn lists_have_no_empty_parts() {
        assert_eq!(split_list(" a,,b "), ["a", "b"]);
        assert!(split_list("").is_empty());
    }
}
