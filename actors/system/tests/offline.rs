//! The folder of a node that was stopped: what verification sees, what mends it, and blocks that go from one folder to another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_journal::block_log::{Entry, Identity};
use catenary_runtime::{
    OpenChainError,
    offline::{
        IndexState, Part, TransferError, VerifiedChain, export, import, rebuild_index, roll_back,
        verify_chain,
    },
};
use catenary_store::{
    ChainDir, DataDir,
    block_log::{self, BlockLog, BlockLogWriter, CopyWriter},
    guard,
    index::{Batch, Engine, Index, Space},
};
use catenary_system::testing::{Bank, Group, files, run, settle, start, until};
use catenary_types::{Height, Timestamp};
use std::{fs, path::Path};
use tempfile::TempDir;

/// Blocks with a transaction; each is followed by its seal.
const SETTLED: u64 = 6;

/// Of a name that no other test has: a key is in use once on a machine.
fn bank(name: &str) -> Bank {
    Bank::new(name, Timestamp(1_700_000_000_000_000_000))
}

/// The folder of a node that has made blocks, and a checkpoint after some of them.
fn stopped(bank: &Bank) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(bank)).await.unwrap();
        for number in 0..SETTLED {
            if number == SETTLED / 2 {
                until(async || node.stats().checkpoints > 0).await;
            }
            settle(&node.chains()[0], bank.envelope(number)).await;
        }
        node.stop().await;
    });
    folder
}

/// A stopped folder with everything of it that the functions take.
struct Offline {
    bank: Bank,
    dir: ChainDir,
    index: Index,
    logs: BlockLogWriter,
    data: DataDir,
}

impl Offline {
    fn open(folder: &Path, bank: &Bank) -> Self {
        // The last thread of a stopped node lets go of the folder a moment later.
        run(until(async || DataDir::open(folder).is_ok()));
        Self::of(DataDir::open(folder).unwrap(), bank)
    }

    fn of(data: DataDir, bank: &Bank) -> Self {
        let dir = data.chain(bank.chain_id().as_str()).unwrap();
        let (index, damage) = Index::open_or_recreate(&data.index(), Engine::default()).unwrap();
        assert_eq!(damage, None);
        let logs = BlockLogWriter::start(block_log::Config::default(), |_| ()).unwrap();
        Self { bank: bank.clone(), dir, index, logs, data }
    }

    fn verify(&self) -> VerifiedChain {
        verify_chain(self.bank.genesis(), &self.bank.ledger(), &self.dir, Some(&self.index)).unwrap()
    }

    fn rebuild(&self) -> Height {
        rebuild_index(self.bank.genesis(), &self.bank.ledger(), &self.dir, &self.index).unwrap()
    }

    fn roll_back(&self, to: Height) -> Result<String, OpenChainError> {
        roll_back(self.bank.genesis(), &self.dir, &self.logs, to)
    }

    /// Cuts a log that is damaged in its middle back to what is before the damage. Gives the newest block left.
    fn damaged_and_mended(&self) -> Height {
        let found = self.verify();
        assert_eq!(found.faults[0].part, Part::Blocks);
        assert!(found.faults[0].detail.contains("lost height"), "{found:?}");
        let newest = found.height;
        assert!(newest > Height(0));
        assert!(self.roll_back(newest.next()).unwrap_err().to_string().contains("is damaged"));
        let damaged = rebuild_index(self.bank.genesis(), &self.bank.ledger(), &self.dir, &self.index);
        assert!(damaged.is_err(), "an index is not rebuilt from a part of the blocks");
        let aside = self.roll_back(newest).unwrap();
        assert_eq!(aside, "blocks.rolled-back-1");
        assert!(files::blocks(self.data.path(), &self.bank).with_file_name(aside).is_dir());
        assert_eq!(self.rebuild(), newest);
        let mended = self.verify();
        assert_eq!((mended.faults, mended.height), (Vec::new(), newest));
        newest
    }

    fn export(&self, from: u64, to: u64, file: &Path) -> Result<(Height, Height, u64), TransferError> {
        export(self.bank.genesis(), &self.dir, from..=to, file)
    }

    fn import(&self, file: &Path) -> Result<(u64, u64, Height), TransferError> {
        let disk = (&self.index, &self.logs);
        let imported = import(self.bank.genesis(), &self.bank.ledger(), &self.dir, disk, file)?;
        Ok((imported.known, imported.added, imported.newest))
    }

    fn space(&self) -> Space {
        self.index.space(catenary_runtime::chain_tag(self.bank.chain_id())).unwrap()
    }

    /// Changes the first value whose key begins so, as an index that is sound in itself and wrong would have it.
    fn alter(&self, prefix: &[u8], alter: impl FnOnce(&mut Batch, Vec<u8>, Vec<u8>)) {
        let (key, value) = self.space().scan(prefix).next().unwrap().unwrap();
        let mut batch = Batch::default();
        alter(&mut batch, key, value);
        self.space().apply(batch).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity::new(self.bank.chain_id().as_str(), self.bank.genesis().hash()).unwrap()
    }
}

#[test]
fn a_sound_folder_is_sound_and_a_rebuilt_index_is_as_good() {
    let bank = bank("sound");
    let folder = stopped(&bank);
    let offline = Offline::open(folder.path(), &bank);
    let found = offline.verify();
    assert_eq!((&found.faults, &found.torn), (&Vec::new(), &None));
    assert!(found.height.0 >= 2 * SETTLED && matches!(found.index, IndexState::At(_)), "{found:?}");
    assert_eq!(offline.rebuild(), found.height);
    let rebuilt = offline.verify();
    assert_eq!(rebuilt, VerifiedChain { index: IndexState::At(found.height), ..found.clone() });
    drop(offline);
    run(async {
        let (node, notices) = start(folder.path(), std::slice::from_ref(&bank)).await.unwrap();
        assert!(!notices.iter().any(|notice| notice.contains("checkpoint not used")), "{notices:?}");
        assert_eq!(node.chains()[0].status().await.unwrap().app_hash, found.app_hash);
        settle(&node.chains()[0], bank.envelope(1_000)).await;
    });
}

#[test]
fn an_index_that_is_not_what_the_blocks_lead_to_is_seen_and_rebuilt() {
    let bank = bank("index");
    let folder = stopped(&bank);
    let offline = Offline::open(folder.path(), &bank);
    let height = offline.verify().height;
    let flip = |batch: &mut Batch, key: Vec<u8>, mut value: Vec<u8>| {
        *value.last_mut().unwrap() ^= 1;
        batch.put(key, value);
    };
    for prefix in [b"T", b"Q", b"H", b"V", b"S"] {
        offline.alter(prefix, flip);
        let found = offline.verify();
        let [fault] = &found.faults[..] else { panic!("{found:?}") };
        assert_eq!((fault.part, found.index), (Part::Index, IndexState::Damaged), "{fault:?}");
        offline.rebuild();
        assert_eq!(offline.verify().faults, []);
    }
    offline.alter(b"T", |batch, key, _| batch.delete(key));
    assert_eq!(offline.verify().faults.len(), 1);
    assert_eq!(offline.rebuild(), height);
    assert_eq!(offline.verify().faults, []);
}

#[test]
fn a_damaged_block_is_named_and_what_is_before_it_can_be_kept() {
    let bank = bank("damaged");
    run(async {
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        for number in 0..SETTLED {
            settle(&group.node(0).chains()[0], bank.envelope(number)).await;
        }
        group.stop(0).await;
        let offline = Offline::of(group.data(0).await, &bank);
        let (last, signed) =
            (offline.verify().height, guard::read(&offline.data.guard(), None).unwrap().marks);
        let log = files::first_blocks(group.folder(0), &bank);
        files::flip(&log, fs::metadata(&log).unwrap().len() as usize / 2);
        let newest = offline.damaged_and_mended();
        assert_eq!(guard::read(&offline.data.guard(), None).unwrap().marks, signed);

        // What the journal still holds is decided again, as it was.
        drop(offline);
        group.restart(0).await;
        let status = async || group.node(0).chains()[0].status().await;
        until(async || status().await.is_ok_and(|status| status.height >= last)).await;
        group.stop(0).await;
        let offline = Offline::of(group.data(0).await, &bank);
        assert_eq!(offline.verify().faults, []);

        // Without it nobody has what is missing, in a group of one.
        assert_eq!(offline.roll_back(newest).unwrap(), "blocks.rolled-back-2");
        fs::remove_dir_all(offline.data.journal()).unwrap();
        drop(offline);
        group.restart(0).await;
        let reason = group.node(0).down().borrow()[bank.chain_id()].clone();
        assert!(reason.contains("there is no other to ask"), "{reason}");
    });
}

#[test]
fn blocks_go_from_one_folder_to_another() {
    let bank = bank("copied");
    let (from, to) = (stopped(&bank), tempfile::tempdir().unwrap());
    let source = Offline::open(from.path(), &bank);
    let newest = source.verify().height.0;
    let [all, rest, beyond] = ["all", "rest", "beyond"].map(|name| to.path().join(name));
    let middle = newest / 2;
    assert_eq!(source.export(1, middle, &all).unwrap(), (Height(1), Height(middle), middle));
    assert_eq!(source.export(middle - 1, u64::MAX, &rest).unwrap().2, newest - middle + 2);
    assert!(matches!(source.export(1, newest + 1, &beyond), Err(TransferError::Range { .. })));
    assert!(!beyond.exists());

    let target = Offline::open(&to.path().join("data"), &bank);
    assert!(matches!(target.import(&rest), Err(TransferError::Gap { newest: Height(0), .. })));
    assert_eq!(target.import(&all).unwrap(), (0, middle, Height(middle)));
    assert_eq!(target.import(&rest).unwrap(), (2, newest - middle, Height(newest)));
    assert_eq!(target.import(&all).unwrap(), (middle, 0, Height(newest)));
    let (copied, original) = (target.verify(), source.verify());
    assert_eq!((copied.faults, copied.app_hash), (Vec::new(), original.app_hash));
    assert!(!target.data.guard().exists() && !target.data.journal().exists());
}

#[test]
fn a_copy_that_was_not_certified_so_is_taken_up_to_there_and_no_further() {
    let bank = bank("forged");
    let (from, to) = (stopped(&bank), tempfile::tempdir().unwrap());
    let source = Offline::open(from.path(), &bank);
    let (log, _) = BlockLog::read_only(&source.dir.blocks(), source.identity()).unwrap();
    let entries: Vec<_> = log.iter(1).map(Result::unwrap).collect();
    let forge = |name: &str, alter: &dyn Fn(&mut Entry)| {
        let path = to.path().join(name);
        let start = source.identity().first_chain_hash();
        let mut copy = CopyWriter::create(&path, source.identity(), 1, start).unwrap();
        for mut entry in entries.clone() {
            alter(&mut entry);
            copy.append(&entry).unwrap();
        }
        copy.finish().unwrap();
        path
    };
    let swapped = forge("swapped", &|entry| {
        if entry.height == 3 {
            entry.certificate.clone_from(&entries[1].certificate);
        }
    });
    let unsigned = forge("unsigned", &|entry| {
        if entry.height == 3 {
            *entry.certificate.last_mut().unwrap() ^= 1;
        }
    });
    for (number, forged) in [swapped, unsigned].iter().enumerate() {
        let target = Offline::open(&to.path().join(number.to_string()), &bank);
        let refused = target.import(forged).unwrap_err();
        assert!(refused.to_string().contains("block 3"), "{refused}");
        assert_eq!(target.verify().height, Height(2), "the blocks before it were taken");
    }
    let doubled = forge("doubled", &|entry| {
        if entry.height == 3 {
            entry.block.clone_from(&entries[0].block);
            entry.certificate.clone_from(&entries[0].certificate);
        }
    });
    let refused = source.import(&doubled).unwrap_err();
    assert!(matches!(refused, TransferError::OtherBlock { height: Height(3) }), "{refused}");
    let other = Bank::new("another", bank.begins());
    let target = Offline::open(&to.path().join("other"), &other);
    assert!(matches!(target.import(&to.path().join("doubled")), Err(TransferError::OtherChain { .. })));
}
