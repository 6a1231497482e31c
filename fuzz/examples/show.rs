//! Prints the updates that a kept input of `crafted` or `updates` is, and whether pre-flight lets each through.

use std::fs;

use protocol::preflight::{self, Bounds};
use quire_fuzz::crafted;
use quire_fuzz::script::Script;

fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [target, file] = &arguments[..] else {
        eprintln!("usage: show crafted|updates FILE");
        return Ok(());
    };
    let input = fs::read(file)?;
    for update in updates(target, &input) {
        let hex: String = update.iter().map(|byte| format!("{byte:02x}")).collect();
        match preflight::check_update(&update, &Bounds::default()) {
            Ok(_) => println!("{hex}"),
            Err(error) => println!("# {hex}: {error}"),
        }
    }
    Ok(())
}

fn updates(target: &str, input: &[u8]) -> Vec<Vec<u8>> {
    let mut script = Script::new(input);
    if target == "crafted" {
        println!(
            "# into {}",
            ["an empty document", "one with content"][usize::from(script.flag())]
        );
        return crafted::updates(&mut script);
    }
    let mut updates = Vec::new();
    while !script.is_done() {
        updates.push(script.chunk().to_vec());
    }
    updates
}
