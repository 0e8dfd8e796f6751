//! Files of either engine, flipped, missing or taken away while in use: an error or what some batch left, never anything
//! else, and a rebuild always works.

use super::*;

/// How many times a byte is flipped per engine.
const TRIALS: usize = 60;

/// Files under a folder, each with its bytes up to the last that is not zero, and its length.
type Image = Vec<(PathBuf, Vec<u8>, u64)>;

/// A closed index whose files were written by several batches.
struct Original {
    engine: Engine,
    image: Image,
    /// What the space holds before the first batch and after each.
    states: Vec<Entries>,
}

impl Original {
    fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let index = Index::open(&dir, engine).unwrap();
        let space = index.space(chain("one")).unwrap();
        let mut states = vec![Entries::new()];
        for round in 0..12u32 {
            let mut batch = Batch::default();
            for number in 0..100u32 {
                // Overwrites half of the round before.
                let key = (round * 50 + number).to_be_bytes();
                batch.put(key, sha256(&(round * 1_000 + number).to_be_bytes()).0);
            }
            batch.delete((round * 25).to_be_bytes());
            space.apply(batch).unwrap();
            states.push(all(&space).unwrap());
        }
        index.space(chain("two")).unwrap().apply(one_more()).unwrap();
        index.flush().unwrap();
        drop((space, index));
        let mut image = Image::new();
        read(&dir, &dir, &mut image);
        image.sort();
        Self { engine, image, states }
    }

    /// The files, of which one is changed.
    fn restore(&self, dir: &Path, victim: usize, change: impl FnOnce(&Path, &[u8])) {
        let mut change = Some(change);
        for (position, (path, bytes, length)) in self.image.iter().enumerate() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(*length).unwrap();
            if position == victim {
                change.take().unwrap()(&path, bytes);
            }
        }
    }

    /// What is read is what some batch left, also after one more; then the index is rebuilt. Whether damage was said.
    fn judge(&self, dir: &Path, what: &str) -> bool {
        let index = Index::open(dir, self.engine);
        let said = match index.as_ref().map_err(IndexError::clone).and_then(|index| self.read(index, what)) {
            Ok(()) => false,
            Err(IndexError::Damaged { .. }) => true,
            Err(error) => panic!("{what}: {error}"),
        };
        drop(index);
        Index::delete(dir).unwrap();
        let index = Index::open(dir, self.engine).unwrap();
        assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), [], "{what}");
        said
    }

    fn read(&self, index: &Index, what: &str) -> Result<(), IndexError> {
        let space = index.space(chain("one"))?;
        let entries = all(&space)?;
        assert!(self.states.contains(&entries), "{what}: {} entries that no batch left", entries.len());
        for (key, value) in &entries {
            assert_eq!(space.get(key)?.as_ref(), Some(value), "{what}");
        }
        space.apply(one_more())?;
        let after = all(&space)?;
        assert_eq!(after[..entries.len()], entries, "{what}");
        assert_eq!(after[entries.len()..], [(vec![0xff], b"more".to_vec())], "{what}");
        Ok(())
    }
}

fn one_more() -> Batch {
    let mut batch = Batch::default();
    batch.put([0xff], "more");
    batch
}

fn read(root: &Path, dir: &Path, image: &mut Image) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, image);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len() as u64;
        let zeros = bytes.rchunks(4096).take_while(|chunk| chunk == &&[0; 4096][..chunk.len()]).count();
        bytes.truncate(bytes.len().saturating_sub(zeros * 4096));
        bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        image.push((path.strip_prefix(root).unwrap().to_path_buf(), bytes, length));
    }
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
    for engine in ENGINES {
        let original = Original::new(engine);
        let folder = tempfile::tempdir().unwrap();
        let mut flips = Flips(7);
        let mut said = 0;
        for trial in 0..TRIALS {
            let dir = folder.path().join(format!("trial-{trial}"));
            let victim = flips.below(original.image.len());
            let name = original.image[victim].0.display();
            original.restore(&dir, victim, |path, bytes| {
                let mut bytes = bytes.to_vec();
                if !bytes.is_empty() {
                    let place = flips.below(bytes.len());
                    bytes[place] ^= 1 << flips.below(8);
                }
                let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
                io::Write::write_all(&mut file, &bytes).unwrap();
            });
            said += usize::from(original.judge(&dir, &format!("{engine:?}, trial {trial}: {name}")));
            Index::delete(&dir).unwrap();
        }
        assert!(said > TRIALS / 4, "{engine:?} says damage: {said}");
    }
}

/// What fjall would act upon before any checksum of its own, up to the end of the process.
#[test]
fn a_damaged_version_or_table_of_contents_is_said() {
    let original = Original::new(Engine::Fjall);
    let folder = tempfile::tempdir().unwrap();
    let mut places = Vec::new();
    for (victim, (path, bytes, _)) in original.image.iter().enumerate() {
        let name = path.display().to_string();
        let tree = path.parent().map(|tree| tree.join("current"));
        let current = original.image.iter().find(|(path, ..)| Some(path) == tree.as_ref());
        if current.is_some_and(|(_, bytes, _)| name.ends_with(&format!("/v{}", bytes[0]))) {
            places.extend((0..bytes.len()).step_by(16).map(|place| (victim, place)));
        } else if name.contains("/tables/") {
            let contents = bytes.windows(4).rposition(|bytes| bytes == b"TOC!").unwrap();
            // The highest byte of the number of entries.
            places.push((victim, contents + 7));
        }
    }
    assert!(places.len() > 40, "trees with tables: {places:?}");
    for (victim, place) in places {
        let dir = folder.path().join("index");
        original.restore(&dir, victim, |path, bytes| {
            let mut bytes = bytes.to_vec();
            bytes.resize(original.image[victim].2.try_into().unwrap(), 0);
            bytes[place] ^= 0x80;
            fs::write(path, bytes).unwrap();
        });
        let what = format!("byte {place} of {}", original.image[victim].0.display());
        assert!(original.judge(&dir, &what), "{what}");
        Index::delete(&dir).unwrap();
    }
}

#[test]
fn a_missing_or_cut_file_is_damage_or_an_earlier_state() {
    for engine in ENGINES {
        let original = Original::new(engine);
        let folder = tempfile::tempdir().unwrap();
        for victim in 0..original.image.len() {
            let dir = folder.path().join(format!("missing-{victim}"));
            let name = original.image[victim].0.display();
            original.restore(&dir, victim, |path, _| fs::remove_file(path).unwrap());
            original.judge(&dir, &format!("{engine:?}, without {name}"));
            original.restore(&dir.join("cut"), victim, |path, bytes| {
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            });
            original.judge(&dir.join("cut"), &format!("{engine:?}, half of {name}"));
        }
    }
}

#[test]
fn a_worker_that_cannot_write_ends_in_an_error_and_not_in_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    let index = Index::open(&dir, Engine::Fjall).unwrap();
    let space = index.space(chain("one")).unwrap();
    fs::remove_dir_all(dir.join("keyspaces")).unwrap();
    let batches = (0..1_000u32).map(|round| {
        let mut batch = Batch::default();
        (0..20u32).for_each(|number| batch.put((round * 20 + number).to_be_bytes(), [1; 100]));
        space.apply(batch)
    });
    assert!(batches.into_iter().any(|applied| applied.is_err()));
    drop((space, index));
    let (index, _) = Index::open_or_recreate(&dir, Engine::Fjall).unwrap();
    assert_eq!(all(&index.space(chain("one")).unwrap()).unwrap(), []);
}
