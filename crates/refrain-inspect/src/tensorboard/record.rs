//! The record framing of an event file: TensorFlow's TFRecord.
//!
//! | bytes | |
//! |---|---|
//! | 8 | length `n` of the data, little-endian |
//! | 4 | masked CRC-32C of those eight bytes |
//! | n | the data |
//! | 4 | masked CRC-32C of the data |

use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC-32C (Castagnoli).
const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Returns the checksum as stored in a TFRecord: rotated and offset, so that data that itself contains checksums
/// stays safe.
fn masked_crc(data: &[u8]) -> u32 {
    const DELTA: u32 = 0xa282_ead8;
    CRC.checksum(data).rotate_right(15).wrapping_add(DELTA)
}

/// Appends one record to `out`.
pub(super) fn frame(data: &[u8], out: &mut Vec<u8>) {
    let length = (data.len() as u64).to_le_bytes();
    out.reserve(data.len() + 16);
    out.extend_from_slice(&length);
    out.extend_from_slice(&masked_crc(&length).to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(&masked_crc(data).to_le_bytes());
}

/// Returns the records of a file, or an error for the first invalid one.
#[cfg(test)]
pub(super) fn unframe(mut file: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut records = Vec::new();
    while !file.is_empty() {
        let mut take = |n: usize| file.split_off(..n).ok_or(format!("record {} is cut short", records.len()));
        let length = take(8)?;
        let checks = |data: &[u8], crc: &[u8]| masked_crc(data).to_le_bytes() == crc;
        if !checks(length, take(4)?) {
            return Err("the length's checksum is wrong".into());
        }
        let data = take(u64::from_le_bytes(length.try_into().unwrap()) as usize)?;
        if !checks(data, take(4)?) {
            return Err("the data's checksum is wrong".into());
        }
        records.push(data.to_vec());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4.
    #[test]
    fn the_checksum_matches_iscsi() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (data, crc) in [
            (&[0; 32][..], 0x8a91_36aa_u32),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
            (b"123456789", 0xe306_9283),
        ] {
            assert_eq!(CRC.checksum(data), crc);
        }
    }

    /// The expected bytes were written by `RecordWriter` of TensorBoard 2.21.0 for `abc`.
    #[test]
    fn a_record_has_its_length_and_both_checksums() {
        let mut out = Vec::new();
        frame(b"abc", &mut out);
        assert_eq!(out, RECORD_OF_ABC);
        frame(b"", &mut out);
        assert_eq!(unframe(&out).unwrap(), [b"abc".to_vec(), vec![]]);
        for at in 0..out.len() {
            let mut broken = out.clone();
            broken[at] ^= 4;
            assert!(unframe(&broken).is_err(), "byte {at}");
        }
    }

    const RECORD_OF_ABC: [u8; 19] =
        [3, 0, 0, 0, 0, 0, 0, 0, 0xb0, 0x99, 0x49, 0x0e, b'a', b'b', b'c', 0x6e, 0x57, 0xf1, 0x21];
}
