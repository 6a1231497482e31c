//! Everything that is kept (seeds, what fuzzing made of them, crashers) once through its target, without libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use quire_fuzz::{TARGETS, Target, seeds};

/// The folders that hold inputs, each with a folder for each target.
const KEPT: [&str; 3] = ["seeds", "corpus", "crashers"];
/// What the replay of all of it may take in memory.
const MEMORY_MAX_KB: u64 = 64 * 1024;

fn folder(kept: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kept)
}

/// The files of a target in a folder; none if it has no folder there.
fn inputs(kept: &str, target: Target) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(kept).join(target.name)) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect()
}

fn replay(target: Target, input: &Path) -> bool {
    let bytes = fs::read(input).expect("the input can be read");
    let held = catch_unwind(|| target.run(&bytes)).is_ok();
    if !held {
        eprintln!("target {} fails on {}", target.name, input.display());
    }
    held
}

fn peak_memory_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("a number of KiB")
}

#[test]
fn whatever_was_found_is_found_no_more() {
    let before_kb = peak_memory_kb();
    let mut failed = 0;
    for target in TARGETS {
        let inputs = KEPT.iter().flat_map(|kept| inputs(kept, target));
        failed += inputs.filter(|input| !replay(target, input)).count();
    }
    assert_eq!(failed, 0, "inputs that break a promise");
    let taken_kb = peak_memory_kb().saturating_sub(before_kb);
    assert!(taken_kb <= MEMORY_MAX_KB, "the replay took {taken_kb} KiB");
}

#[test]
fn every_folder_is_of_a_target_and_every_target_has_seeds() {
    for kept in KEPT {
        for entry in fs::read_dir(folder(kept)).expect("the folder is there") {
            let name = entry.expect("it can be read").file_name();
            let target = name.to_str().and_then(Target::named);
            assert!(target.is_some(), "{kept}/{name:?} is of no target");
        }
    }
    for target in TARGETS {
        assert!(!inputs("seeds", target).is_empty(), "{}", target.name);
        let file = folder("fuzz_targets").join(format!("{}.rs", target.name));
        let text = fs::read_to_string(file).expect("each target has its file");
        assert!(text.contains(&format!("target!({:?})", target.name)));
    }
}

#[test]
fn the_seeds_are_those_that_the_code_makes() {
    let made = seeds::all(&folder("../protocol/tests/golden"));
    let paths = |target: Target| {
        let own = made.iter().filter(move |seed| seed.target == target.name);
        own.map(move |seed| folder("seeds").join(target.name).join(&seed.name))
    };
    for target in TARGETS {
        let named: BTreeSet<_> = paths(target).collect();
        assert_eq!(
            named,
            inputs("seeds", target),
            "`cargo run -p quire-fuzz --example seeds`"
        );
    }
    for seed in &made {
        let path = folder("seeds").join(seed.target).join(&seed.name);
        assert_eq!(
            fs::read(path).ok().as_ref(),
            Some(&seed.input),
            "{}",
            seed.name
        );
    }
}
