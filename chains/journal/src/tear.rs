//! Tells an incomplete write from damage by what each leaves behind.
//!
//! Files only grow and are never preallocated or recycled, and file systems show a part of a file that
//! was never written as missing or as zeros. So a write that did not complete leaves a file that ends early
//! or a whole sector of zeros. Bytes that are wrong in any other way were written and have changed since.

/// Writes are atomic at least at this size on every disk we know of.
const SECTOR: usize = 512;

/// Whether the bad bytes `start..end` can be the remains of an incomplete write that began at `written_from`.
///
/// True if the file ends before `end`, or if in some sector that overlaps the bad bytes everything
/// from `written_from` on is zero. `end` is beyond the file where the length of the unit is unknown.
pub(crate) fn is_torn(bytes: &[u8], written_from: usize, start: usize, end: usize) -> bool {
    if end > bytes.len() {
        return true;
    }
    (start / SECTOR..end.div_ceil(SECTOR)).any(|sector| {
        let from = (sector * SECTOR).max(written_from);
        let to = ((sector + 1) * SECTOR).min(bytes.len());
        from < to && bytes[from..to].iter().all(|&byte| byte == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_end_or_a_zero_sector_is_torn() {
        let full = vec![1; 2048];
        assert!(is_torn(&full[..2047], 1000, 1000, 2048));
        let mut hole = full.clone();
        hole[1024..1536].fill(0);
        assert!(is_torn(&hole, 1000, 1000, 2048));
        assert!(is_torn(&hole, 1000, 1100, 1108));
    }

    #[test]
    fn a_changed_byte_is_not_torn() {
        let mut bytes = vec![1; 2048];
        bytes[1100] = 0;
        assert!(!is_torn(&bytes, 1000, 1000, 2048));
        bytes[1025..1536].fill(0);
        assert!(!is_torn(&bytes, 1000, 1000, 2048), "one byte of the sector was written");
    }

    #[test]
    fn a_sector_shared_with_an_older_write_counts_from_the_new_write_on() {
        let mut bytes = vec![1; 1024];
        bytes[700..].fill(0);
        assert!(is_torn(&bytes, 700, 700, 800));
        assert!(!is_torn(&bytes, 690, 700, 800));
    }
}
