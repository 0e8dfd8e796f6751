//! Damage to the files of a node that is stopped.

use super::Bank;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files below a folder.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = entries.map(|path| if path.is_dir() { below(&path) } else { vec![path] });
    files.flatten().collect()
}

/// Where a node keeps the blocks of a bank's chain.
pub fn blocks(folder: &Path, bank: &Bank) -> PathBuf {
    folder.join("chains").join(bank.chain_id().as_str()).join("blocks")
}

/// The file with the first of them.
pub fn first_blocks(folder: &Path, bank: &Bank) -> PathBuf {
    blocks(folder, bank).join(format!("{:020}.blocks", 1))
}

/// Changes one byte of a file.
pub fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes[at] ^= 0x10;
    fs::write(file, bytes).expect("the file can be written");
}

/// Keeps so many bytes of a file.
pub fn cut(file: &Path, length: usize) {
    let bytes = fs::read(file).expect("a file");
    fs::write(file, &bytes[..length]).expect("the file can be written");
}
