//! Altering valid bytes as a script says: what disks, links and liars do.

use crate::input::Input;

/// Most bytes that one alteration inserts, drops, copies or clears.
const LENGTH_MAX: usize = 64;
/// Most alterations of one script.
const STEPS_MAX: usize = 4;
/// What protobuf lets a writer add: unknown fields, written-out defaults, empty messages, the rest of a long number.
const SECOND_SPELLINGS: [&[u8]; 6] =
    [&[0x78, 0x01], &[0x08, 0x00], &[0x0a, 0x00], &[0x1a, 0x00], &[0x80, 0x00], &[0xf8, 0x7f, 0x01]];

/// The bytes after up to four alterations, maybe none.
pub fn altered(input: &mut Input<'_>, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // Half of them take one step: what passes a check is mostly near to what is good.
    let further = usize::from(input.byte() % 2) * input.below(STEPS_MAX);
    for _ in 0..=further {
        alter(input, &mut bytes);
    }
    bytes
}

/// One alteration, which may leave the bytes as they are.
pub fn alter(input: &mut Input<'_>, bytes: &mut Vec<u8>) {
    let kind = input.byte();
    let at = input.below(bytes.len() + 1);
    let end = (at + 1 + input.below(LENGTH_MAX)).min(bytes.len());
    match kind % 10 {
        0 | 1 => match bytes.get_mut(at) {
            Some(byte) => *byte ^= 1 << (input.byte() % 8),
            None => bytes.push(input.byte()),
        },
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let inserted = input.bytes(end - at);
            drop(bytes.splice(at..at, inserted.iter().copied()));
        }
        5 => bytes[at..end].fill(0),
        6 => {
            let part = bytes[at..end].to_vec();
            let to = input.below(bytes.len() + 1);
            drop(bytes.splice(to..to, part));
        }
        7 => {
            let to = input.below(bytes.len() - (end - at) + 1);
            bytes.copy_within(at..end, to);
        }
        // At the end of the whole message, where a stock library takes it.
        8 => bytes.extend(input.choose(&SECOND_SPELLINGS).iter()),
        _ => drop(bytes.splice(at..at, input.choose(&SECOND_SPELLINGS).iter().copied())),
    }
}

/// Alters bytes as a script says. Fails if a check takes what is no longer the same.
pub fn only_the_original(what: &str, original: &[u8], script: &mut Input<'_>, takes: impl Fn(&[u8]) -> bool) {
    let bytes = altered(script, original);
    refuse_altered(what, original, &bytes, takes(&bytes));
}

/// Fails if altered bytes were taken for good.
pub fn refuse_altered(what: &str, original: &[u8], altered: &[u8], taken: bool) {
    assert!(
        !taken || altered == original,
        "altered {what} passed: {altered:02x?} instead of {original:02x?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;
    use std::collections::BTreeSet;

    #[test]
    fn scripts_flip_cut_drop_insert_clear_and_copy() {
        let original: Vec<u8> = (1..=100).collect();
        let mut cases = Cases::new(1);
        let results: BTreeSet<_> =
            (0..300).map(|_| altered(&mut Input::new(&cases.bytes(40)), &original)).collect();
        assert!(results.len() > 250, "only {} different results", results.len());
        let lengths = |longer: fn(&Vec<u8>) -> bool| results.iter().any(longer);
        assert!(lengths(|bytes| bytes.len() < 100) && lengths(|bytes| bytes.len() > 100));
        assert!(results.iter().any(|bytes| bytes.len() == 100 && bytes[..] != original[..]));
    }

    #[test]
    fn nothing_is_left_to_alter_in_no_bytes_and_it_is_altered_nevertheless() {
        let mut cases = Cases::new(2);
        for _ in 0..100 {
            let bytes = altered(&mut Input::new(&cases.bytes(30)), &[]);
            assert!(bytes.len() <= STEPS_MAX * LENGTH_MAX);
        }
    }
}
