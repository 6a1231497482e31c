//! The mask of a client's frame (RFC 6455, section 5.3).

/// Takes the mask off, sixteen bytes at a time.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let wide = u128::from_ne_bytes(std::array::from_fn(|index| mask[index % 4]));
    let mut blocks = bytes.chunks_exact_mut(BLOCK_BYTES);
    for block in &mut blocks {
        let mut word = [0; BLOCK_BYTES];
        word.copy_from_slice(block);
        block.copy_from_slice(&(u128::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    let rest = blocks.into_remainder();
    rest.iter_mut()
        .zip(mask.into_iter().cycle())
        .for_each(|(byte, mask)| *byte ^= mask);
}

const BLOCK_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_byte_of_the_mask() {
        let mask = [0x12, 0x34, 0x56, 0x78];
        for length in 0..70 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes = plain.clone();
            unmask(&mut bytes, mask);
            for (index, byte) in bytes.iter().enumerate() {
                assert_eq!(byte ^ mask[index % 4], plain[index], "{index} of {length}");
            }
        }
    }
}
