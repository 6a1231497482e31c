//! Writes the seeds to `fuzz/seeds/`, in place of those that are there.

use std::fs;
use std::path::Path;

use quire_fuzz::seeds;

fn main() -> std::io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = fuzz.join("seeds");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for seed in seeds::all(&fuzz.join("../protocol/tests/golden")) {
        let folder = folder.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(seed.name), seed.input)?;
    }
    Ok(())
}
