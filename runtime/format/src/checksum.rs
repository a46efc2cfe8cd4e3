//! The checksum of an artifact: CRC-32C (Castagnoli), as each kind of target computes it best.

use crate::bytes::Field;
use crate::header::CHECKSUM_AT;

/// CRC-32C of an artifact, its checksum field taken as zero.
pub fn checksum(file: &[u8]) -> u32 {
    let after = CHECKSUM_AT.saturating_add(<u32 as Field>::BYTES);
    sum([file.get(..CHECKSUM_AT).unwrap_or(file), &[0; 4], file.get(after..).unwrap_or(&[])])
}

/// Of parts, one behind the other. Hosts have an instruction for it.
#[cfg(all(feature = "std", not(target_arch = "wasm32")))]
fn sum(parts: [&[u8]; 3]) -> u32 {
    parts.into_iter().fold(0, crc32c::crc32c_append)
}

/// Of parts, one behind the other.
#[cfg(not(any(feature = "std", target_arch = "wasm32")))]
fn sum(parts: [&[u8]; 3]) -> u32 {
    const ALGORITHM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    let mut digest = ALGORITHM.digest();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize()
}

/// Of parts, one behind the other.
#[cfg(target_arch = "wasm32")]
fn sum(parts: [&[u8]; 3]) -> u32 {
    let tables = Tables::new();
    !parts.into_iter().fold(!0, |sum, part| tables.append(sum, part))
}

/// What four bytes at once are looked up in ("slicing by 4", Kounavis and Berry, 2005), made when it is needed: a page would download
/// it every time.
#[cfg(any(test, target_arch = "wasm32"))]
struct Tables([[u32; 256]; 4]);

#[cfg(any(test, target_arch = "wasm32"))]
impl Tables {
    fn new() -> Self {
        let mut tables = [[0; 256]; 4];
        for (byte, mut sum) in (0..256).enumerate() {
            // A table is the one before it with a byte of nought behind.
            for table in &mut tables {
                for _ in 0..8 {
                    sum = (sum >> 1) ^ (0x82F6_3B78 & (sum & 1_u32).wrapping_neg());
                }
                table.get_mut(byte).into_iter().for_each(|entry| *entry = sum);
            }
        }
        Self(tables)
    }

    /// The state of the sum after some more bytes. In pieces, which an engine may go on with as it gets better code.
    fn append(&self, sum: u32, bytes: &[u8]) -> u32 {
        bytes.chunks(1 << 14).fold(sum, |sum, piece| self.piece(sum, piece))
    }

    #[inline(never)]
    fn piece(&self, mut sum: u32, bytes: &[u8]) -> u32 {
        let [first, second, third, fourth] = &self.0;
        let look = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
        let (words, rest) = bytes.as_chunks();
        for word in words {
            let [a, b, c, d] = (u32::from_le_bytes(*word) ^ sum).to_le_bytes();
            sum = look(fourth, a) ^ look(third, b) ^ look(second, c) ^ look(first, d);
        }
        for byte in rest {
            let [low, ..] = sum.to_le_bytes();
            sum = look(first, low ^ byte) ^ (sum >> 8);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_checksum_is_that_of_one_bit_after_another(mut file in proptest::collection::vec(any::<u8>(), 64..400)) {
            let sum = checksum(&file);
            file.get_mut(CHECKSUM_AT..CHECKSUM_AT + 4).unwrap_or_default().fill(0);
            let expected = crc::Crc::<u32, crc::Table<0>>::new(&crc::CRC_32_ISCSI).checksum(&file);
            prop_assert_eq!(sum, expected);
            let (first, second) = file.split_at(file.len() / 3);
            let tables = Tables::new();
            prop_assert_eq!(!tables.append(tables.append(!0, first), second), expected);
        }
    }
}
