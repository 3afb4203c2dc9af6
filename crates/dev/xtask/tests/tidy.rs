//! The rules of the house hold.

#[test]
fn the_house_is_tidy() {
    let found = xtask::tidy::check(&xtask::root());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_comes_from_outside_is_allowed_and_there_once() {
    let found = xtask::dependencies::check(&xtask::root());
    assert!(found.is_empty(), "{}", found.join("\n"));
}
