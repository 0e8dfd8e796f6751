//! Sealing, atomicity and the change of the engine; damage has a file of its own.

mod damage;

use super::*;
use catenary_crypto::sha256;

const ENGINES: [Engine; 2] = [Engine::Fjall, Engine::Sled];

fn chain(name: &str) -> ChainTag {
    ChainTag(sha256(name.as_bytes()))
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn all(space: &Space) -> Result<Entries, IndexError> {
    space.scan(b"").collect()
}

#[test]
fn spaces_are_separate_and_survive_a_reopening() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        {
            let index = Index::open(&dir, engine).unwrap();
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
        let index = Index::open(&dir, engine).unwrap();
        let one = index.space(chain("one")).unwrap();
        let found: Vec<_> = one.scan(b"a").collect::<Result<_, _>>().unwrap();
        assert_eq!(found, [(b"a".to_vec(), b"1".to_vec()), (b"ab".to_vec(), b"3".to_vec())]);
        let mut batch = Batch::default();
        batch.delete("a");
        one.apply(batch).unwrap();
        assert_eq!(one.get(b"a").unwrap(), None);
        assert_eq!(index.space(chain("two")).unwrap().get(b"a").unwrap().unwrap(), b"other");
        index.delete_space(chain("one")).unwrap();
        index.delete_space(chain("never there")).unwrap();
        assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
    }
}

#[test]
fn an_index_that_is_open_is_neither_opened_nor_deleted() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let index = Index::open(&dir, engine).unwrap();
        let mut batch = Batch::default();
        batch.put("a", "1");
        index.space(chain("one")).unwrap().apply(batch).unwrap();
        assert!(matches!(Index::open_or_recreate(&dir, engine), Err(IndexError::File(_))), "{engine:?}");
        assert_eq!(index.space(chain("one")).unwrap().get(b"a").unwrap().unwrap(), b"1");
    }
}

#[test]
fn with_another_engine_the_index_is_made_anew() {
    for [before, after] in [[Engine::Sled, Engine::Fjall], [Engine::Fjall, Engine::Sled]] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        {
            let index = Index::open(&dir, before).unwrap();
            let mut batch = Batch::default();
            batch.put("a", "1");
            index.space(chain("one")).unwrap().apply(batch).unwrap();
        }
        let (index, damage) = Index::open_or_recreate(&dir, after).unwrap();
        assert!(damage.unwrap().to_string().ends_with("not of this engine"));
        assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
        drop(index);
        assert!(Index::open_or_recreate(&dir, after).unwrap().1.is_none());
    }
}

#[test]
fn a_value_under_another_key_or_chain_is_damage() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index"), engine).unwrap();
        let [one, two] = ["one", "two"].map(|name| index.space(chain(name)).unwrap());
        let mut batch = Batch::default();
        batch.put("key", "value");
        one.apply(batch).unwrap();
        let stored = one.tree.get(&owned_key(b"key")).unwrap();
        two.tree.apply(vec![(owned_key(b"key"), stored.clone())]).unwrap();
        one.tree.apply(vec![(owned_key(b"yek"), stored)]).unwrap();
        assert!(matches!(two.get(b"key"), Err(IndexError::Damaged { .. })));
        assert!(matches!(one.get(b"yek"), Err(IndexError::Damaged { .. })));
        assert_eq!(one.scan(b"").map(|entry| entry.is_ok()).collect::<Vec<_>>(), [true, false]);
    }
}

#[test]
fn a_missing_value_is_damage_when_the_space_is_opened() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let missing = [owned_key(b"a"), DIGEST_KEY.to_vec()];
        for key in missing {
            {
                let index = Index::open(&dir, engine).unwrap();
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
                space.tree.apply(vec![(key, None)]).unwrap();
                // A second handle is not the first opening.
                index.space(chain("one")).unwrap();
                index.flush().unwrap();
            }
            let index = Index::open(&dir, engine).unwrap();
            let error = index.space(chain("one")).unwrap_err();
            assert!(error.to_string().ends_with("are missing"), "{error}");
            index.delete_space(chain("one")).unwrap();
            assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
        }
    }
}

#[test]
fn an_opening_that_ended_the_process_is_not_repeated() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        drop(Index::open(&dir, engine).unwrap());
        fs::write(marker(&dir), []).unwrap();
        assert!(matches!(Index::open(&dir, engine), Err(IndexError::Damaged { .. })));
        let (index, damage) = Index::open_or_recreate(&dir, engine).unwrap();
        assert!(damage.is_some());
        drop(index);
        assert!(Index::open_or_recreate(&dir, engine).unwrap().1.is_none());
    }
}
