//! What one fsync takes on the disk that servers store on, so that acknowledgements can be told in it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::stats::Spread;

/// The median of some appends of a page, each made durable, in microseconds.
pub(super) fn fsync_us(folder: &Path) -> Result<f64> {
    fs::create_dir_all(folder)?;
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let times: Result<Vec<_>> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0; PAGE_BYTES])?;
            file.sync_data()?;
            Ok(began.elapsed().as_secs_f64() * 1e6)
        })
        .collect();
    fs::remove_file(path)?;
    Ok(Spread::of(times?).map_or(0.0, |spread| spread.median))
}

const TIMES: usize = 51;
const PAGE_BYTES: usize = 4_096;
