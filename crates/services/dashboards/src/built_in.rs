//! The dashboards that come with the program.

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The dashboards that come with the program: the names of their files and their JSON.
pub fn built_in() -> &'static [(&'static str, &'static str)] {
    BUILT_IN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_program_can_be_read_and_has_an_identifier_of_its_own() {
        let mut uids = Vec::new();
        for (name, text) in built_in() {
            let read = crate::reading::read_text(text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            uids.push(read.uid.unwrap_or_else(|| panic!("{name} has no uid")));
        }
        assert!(uids.iter().any(|uid| uid == "promontory-machine"));
        let count = uids.len();
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), count);
    }
}
