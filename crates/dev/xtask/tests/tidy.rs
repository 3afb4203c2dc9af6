//! The rules of the house hold.

#[test]
fn the_house_is_tidy() {
    let found = xtask::tidy::check(&xtask::root());
    assert!(found.is_empty(), "{}", found.join("\n"));
}
