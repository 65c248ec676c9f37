//! Checkpoint files.

use crate::models::saved;
use refrain::checkpoint::Checkpoint;
use sha2::{Digest, Sha256};

const DIGEST: &[u8] = b"\"refrain.digest\":\"";
const DIGITS: usize = 64;

/// Reads a checkpoint file, both as it is and with a corrected digest. The digest covers every byte, so that without
/// the correction mutations would not get past it.
///
/// Asserts that a checkpoint has the same parts when it is written and read, and the same bytes when it is written
/// again, and that bytes with a wrong digest are rejected.
pub fn checkpoint(bytes: &[u8]) {
    let as_they_are = Checkpoint::from_bytes(bytes);
    let repaired = with_digest(bytes);
    assert!(as_they_are.is_err() || repaired.as_deref() == Some(bytes), "its digest was not checked");
    let Some(Ok(read)) = repaired.map(|bytes| Checkpoint::from_bytes(&bytes)) else { return };
    let once = saved(|path| read.write(path));
    let again = Checkpoint::from_bytes(&once).expect("what is written can be read");
    assert_eq!(again.kind(), read.kind());
    assert_eq!(saved(|path| again.write(path)), once);
}

/// Returns the bytes with the correct digest, if there is room for one.
fn with_digest(bytes: &[u8]) -> Option<Vec<u8>> {
    let (len, rest) = bytes.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    let at = header.windows(DIGEST.len()).position(|w| w == DIGEST)? + DIGEST.len();
    let mut bytes = bytes.to_vec();
    let at = 8 + at..8 + at + DIGITS;
    bytes.get_mut(at.clone())?.fill(b'0');
    let digits: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    bytes[at].copy_from_slice(digits.as_bytes());
    Some(bytes)
}
