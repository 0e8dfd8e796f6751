//! Sealing, atomicity and what is left of a damaged sled.

use super::*;
use catenary_crypto::sha256;
use std::collections::BTreeMap;

fn chain(name: &str) -> ChainTag {
    ChainTag(sha256(name.as_bytes()))
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn all(space: &Space) -> Result<Entries, IndexError> {
    space.scan(b"").collect()
}

#[test]
fn spaces_are_separate_and_survive_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    {
        let index = Index::open(&dir).unwrap();
        let mut batch = Batch::default();
        batch.put("b", "2");
        batch.put("a", "1");
        batch.put("ab", "3");
        index.space(chain("one")).unwrap().apply(batch).unwrap();
        let mut batch = Batch::default();
        batch.put("a", "other");
        index.space(chain("two")).unwrap().apply(batch).unwrap();
        index.flush().unwrap();
    }
    let index = Index::open(&dir).unwrap();
    let one = index.space(chain("one")).unwrap();
    let found: Vec<_> = one.scan(b"a").collect::<Result<_, _>>().unwrap();
    assert_eq!(found, [(b"a".to_vec(), b"1".to_vec()), (b"ab".to_vec(), b"3".to_vec())]);
    let mut batch = Batch::default();
    batch.delete("a");
    one.apply(batch).unwrap();
    assert_eq!(one.get(b"a").unwrap(), None);
    assert_eq!(index.space(chain("two")).unwrap().get(b"a").unwrap().unwrap(), b"other");
    index.delete_space(chain("one")).unwrap();
    assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
}

#[test]
fn a_value_under_another_key_or_chain_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index")).unwrap();
    let [one, two] = ["one", "two"].map(|name| index.space(chain(name)).unwrap());
    let mut batch = Batch::default();
    batch.put("key", "value");
    one.apply(batch).unwrap();
    let stored = one.tree.get(owned_key(b"key")).unwrap().unwrap();
    two.tree.insert(owned_key(b"key"), &stored).unwrap();
    one.tree.insert(owned_key(b"yek"), &stored).unwrap();
    assert!(matches!(two.get(b"key"), Err(IndexError::Damaged { .. })));
    assert!(matches!(one.get(b"yek"), Err(IndexError::Damaged { .. })));
    assert_eq!(one.scan(b"").map(|entry| entry.is_ok()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_missing_value_is_damage_when_the_space_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    let missing = [owned_key(b"a"), DIGEST_KEY.to_vec()];
    for key in missing {
        {
            let index = Index::open(&dir).unwrap();
            let space = index.space(chain("one")).unwrap();
            let mut batch = Batch::default();
            batch.put("a", "1");
            batch.put("b", "2");
            space.apply(batch).unwrap();
            let mut batch = Batch::default();
            batch.put("a", "3");
            batch.delete("b");
            batch.delete("never there");
            space.apply(batch).unwrap();
            space.tree.remove(key).unwrap();
            // A second handle is not the first opening.
            index.space(chain("one")).unwrap();
            index.flush().unwrap();
        }
        let index = Index::open(&dir).unwrap();
        let error = index.space(chain("one")).unwrap_err();
        assert!(error.to_string().ends_with("are missing"), "{error}");
        index.delete_space(chain("one")).unwrap();
        assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
    }
}

#[test]
fn an_opening_that_ended_the_process_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    drop(Index::open(&dir).unwrap());
    fs::write(marker(&dir), []).unwrap();
    assert!(matches!(Index::open(&dir), Err(IndexError::Damaged { .. })));
    let (index, damage) = Index::open_or_recreate(&dir).unwrap();
    assert!(damage.is_some());
    drop(index);
    assert!(Index::open_or_recreate(&dir).unwrap().1.is_none());
}

/// A small generator, so that the flips are the same in every run.
struct Flips(u64);

impl Flips {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn a_flipped_byte_never_changes_a_value_and_a_rebuild_always_works() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let values: BTreeMap<Vec<u8>, Vec<u8>> =
        (0..300u32).map(|n| (n.to_be_bytes().to_vec(), sha256(&n.to_le_bytes()).0.to_vec())).collect();
    {
        let index = Index::open(&original).unwrap();
        let mut batch = Batch::default();
        values.iter().for_each(|(key, value)| batch.put(key.clone(), value.clone()));
        index.space(chain("one")).unwrap().apply(batch).unwrap();
        index.flush().unwrap();
    }
    let complete: Vec<_> = values.into_iter().collect();
    let mut flips = Flips(7);
    for trial in 0..40 {
        let dir = folder.path().join(format!("trial-{trial}"));
        copy_with_flip(&original, &dir, &mut flips);
        let read = |index: &Index| all(&index.space(chain("one"))?);
        let index = Index::open(&dir);
        if let Ok(entries) = index.as_ref().map_err(IndexError::clone).and_then(read) {
            // sled may have lost the whole batch, never a part of it.
            assert!(entries.is_empty() || entries == complete, "trial {trial}");
        }
        drop(index);
        Index::delete(&dir).unwrap();
        let index = Index::open(&dir).unwrap();
        assert_eq!(read(&index).unwrap(), [], "trial {trial}");
    }
}

/// Copies sled's files, one byte of which, in its used part, is changed.
fn copy_with_flip(from: &Path, to: &Path, flips: &mut Flips) {
    fs::create_dir(to).unwrap();
    let mut files: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    let victim = flips.below(files.len());
    for (position, path) in files.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if position == victim && used > 0 {
            bytes[flips.below(used)] ^= 1 << flips.below(8);
        }
        fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
}
