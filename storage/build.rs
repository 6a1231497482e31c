//! Rebuilds the crate when a migration is added: the compiler sees only changes to those it knows.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/sqlite");
    println!("cargo::rerun-if-changed=../migrations/postgres");
}
