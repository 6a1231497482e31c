//! Inflating, within what is left of a message's budget.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use super::super::bounds::Budget;
use crate::FrameError;

/// # Errors
/// The bytes are not deflated, or are more when they are inflated than may be.
pub(super) fn inflate(
    bytes: &[u8],
    at: usize,
    field: &'static str,
    budget: &mut Budget,
) -> Result<Vec<u8>, FrameError> {
    let out = decompress_to_vec_with_limit(bytes, budget.inflated).map_err(|fault| match fault
        .status
    {
        TINFLStatus::HasMoreOutput => FrameError::TooMany {
            field: "inflated bytes",
            at,
            max: budget.inflated,
        },
        _ => FrameError::Wrong { field, at },
    })?;
    budget.inflated -= out.len();
    Ok(out)
}
