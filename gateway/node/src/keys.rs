//! Signing keys in files: one line of 64 hexadecimal digits, readable by their owner alone.

use anyhow::{Context as _, Result, anyhow};
use catenary_crypto::SigningKey;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The seed of a signing key.
pub type Seed = [u8; 32];

/// A seed that nobody can guess.
pub fn new_seed() -> Seed {
    let mut seed = [0; 32];
    StdRng::from_os_rng().fill_bytes(&mut seed);
    seed
}

/// Writes what nobody else may read. An existing file is left alone.
pub fn write_secret(path: &Path, content: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.with_context(|| format!("writing {}", path.display()))
}

/// Writes a key to a new file.
pub fn write(path: &Path, seed: &Seed) -> Result<()> {
    let digits: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    write_secret(path, &format!("{digits}\n"))
}

/// Reads a key.
pub fn read(path: &Path) -> Result<Seed> {
    let text = fs::read_to_string(path).with_context(|| format!("reading the key {}", path.display()))?;
    // A seed and a public key are written alike.
    let seed = text.trim().parse::<catenary_crypto::PublicKey>();
    seed.map(|seed| seed.0).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// The signing key of a file.
pub fn signing_key(path: &Path) -> Result<SigningKey> {
    read(path).map(|seed| SigningKey::from_seed(&seed))
}

/// The file that says that a key has signed nothing yet.
pub fn unused_mark(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unused");
    name.into()
}
