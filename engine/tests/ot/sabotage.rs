//! That the checks bite: each type is broken on purpose in a small way, and the comparison with the kept cases sees it.

use engine::ot::{OtBug, Work};

use crate::vectors;

#[test]
fn json0_that_puts_the_wrong_moved_item_first_is_noticed() {
    assert!(found("json0-lists", OtBug::MovedLast) > 0);
}

#[test]
fn json0_that_puts_the_wrong_new_item_first_is_noticed() {
    assert!(found("json0", OtBug::InsertedLast) > 0);
}

#[test]
fn text_that_puts_the_wrong_insert_first_is_noticed() {
    assert!(found("text", OtBug::TextLast) > 0);
    assert!(found("text-unicode", OtBug::TextLast) > 0);
}

#[test]
fn rich_text_that_lets_the_wrong_attribute_win_is_noticed() {
    assert!(found("rich-text", OtBug::AttributeLost) > 0);
}

#[test]
fn whoever_counts_wrongly_by_one_is_noticed() {
    for name in ["json0", "json0-lists", "text", "text-unicode", "rich-text"] {
        assert!(found(name, OtBug::OneOff) > 0, "{name}");
    }
}

/// How many of the kept cases of a type notice a bug.
fn found(name: &str, bug: OtBug) -> usize {
    let noticed = vectors::differing(name, &Work::default().sabotaged(bug)).len();
    println!("{bug:?} is noticed by {noticed} cases of {name}");
    noticed
}
