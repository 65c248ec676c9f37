use super::*;
use std::fs;
use std::time::Duration;

fn checkpoint(step: u64) -> Checkpoint {
    let mut checkpoint = Checkpoint::new("test");
    let tensors =
        vec![("b".to_owned(), vec![f32::NAN, -0.0, 1.5]), ("a/deep".to_owned(), vec![step as f32; 20_000])];
    // Strings that could be mistaken for a header.
    let values =
        serde_json::json!({ "step": step, "odd": "\"refrain.digest\":\"0000\" \u{0} é", "third": 1.0 / 3.0 });
    checkpoint.insert("run", Part { values, tensors });
    checkpoint.insert("empty", Part { tensors: vec![("none".to_owned(), Vec::new())], ..Part::default() });
    checkpoint
}

fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    file::Header::of(checkpoint).unwrap().write(checkpoint, &mut bytes).unwrap();
    bytes
}

/// Compares checkpoints; NaN is not equal to itself.
fn same(got: &Checkpoint, want: &Checkpoint) -> bool {
    bytes(got) == bytes(want)
}

#[test]
fn checkpoints_are_read_back_bit_for_bit() {
    let want = checkpoint(7);
    let mut got = Checkpoint::from_bytes(&bytes(&want)).unwrap();
    assert!(same(&got, &want));
    assert_eq!(got.kind(), "test");
    let mut run = got.take("run").unwrap();
    assert_eq!(run.values, want.part("run").unwrap().values);
    assert_eq!(run.take("run", "b", 3).unwrap().map_bits(), [f32::NAN, -0.0, 1.5].map(f32::to_bits));
    assert!(run.take("run", "b", 3).unwrap_err().to_string().contains("missing"));
    assert!(run.take("run", "a/deep", 5).unwrap_err().to_string().contains("20,000 values"));
    assert!(got.take("run").unwrap_err().to_string().contains("part `run`"));
    assert!(got.expect_kind("fit").unwrap_err().to_string().contains("`test`"));
}

trait MapBits {
    fn map_bits(&self) -> Vec<u32>;
}

impl MapBits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|x| x.to_bits()).collect()
    }
}

#[test]
fn every_cut_and_every_flipped_byte_is_an_error() {
    let mut bytes = bytes(&checkpoint(1));
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let places = (0..header).chain((header..bytes.len()).step_by(997));
    for at in places {
        assert!(Checkpoint::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        for flip in [1, 0x80] {
            bytes[at] ^= flip;
            assert!(Checkpoint::from_bytes(&bytes).is_err(), "byte {at}");
            bytes[at] ^= flip;
        }
    }
    assert!(Checkpoint::from_bytes(&bytes).is_ok());
    bytes.push(0);
    assert!(Checkpoint::from_bytes(&bytes).is_err());
    for other in [&b""[..], b"text that is no checkpoint at all", &[0xff; 100]] {
        Checkpoint::from_bytes(other).unwrap_err();
    }
}

#[test]
fn a_write_error_anywhere_is_reported() {
    struct Failing(usize);
    impl std::io::Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("disk full"));
            }
            self.0 -= 1;
            Ok(bytes.len().min(10_000))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let checkpoint = checkpoint(1);
    let header = file::Header::of(&checkpoint).unwrap();
    let writes = (0..).find(|&n| header.write(&checkpoint, &mut Failing(n)).is_ok()).unwrap();
    assert!(writes > 8, "{writes}");
    for n in 0..writes {
        assert!(header.write(&checkpoint, &mut Failing(n)).unwrap_err().to_string().contains("disk full"));
    }
}

#[test]
fn the_newest_complete_checkpoint_is_used() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a/b");
    let mut folder = CheckpointFolder::new(&path).keep(3);
    assert!(folder.newest().unwrap().checkpoint.is_none() && !path.exists());
    for step in 1..=5 {
        folder.write(&checkpoint(step)).unwrap();
    }
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let [three, four, five] = [3, 4, 5].map(|n| format!("checkpoint-{n:06}.safetensors"));
    assert_eq!(names(), [".refrain-lock", &*three, &four, &five]);
    drop(folder);

    // Damaged files, left by a writer that was killed.
    let whole = fs::read(path.join(&five)).unwrap();
    fs::write(path.join(&five), &whole[..whole.len() - 1]).unwrap();
    fs::write(path.join(format!(".{five}.1-0.tmp")), "half").unwrap();
    fs::write(path.join("checkpoint-7.safetensors"), "not a name that is given").unwrap();
    fs::write(path.join("mine"), "kept").unwrap();
    let mut folder = CheckpointFolder::new(&path);
    assert!(folder.has_checkpoints().unwrap());
    let LatestCheckpoint { checkpoint: newest, skipped } = folder.newest().unwrap();
    let (file, newest) = newest.unwrap();
    assert!(file.ends_with(&four) && same(&newest, &checkpoint(4)));
    assert_eq!(folder.last(), Some(file));
    assert!(skipped.len() == 1 && skipped[0].1.to_string().contains(&five), "{skipped:?}");
    // The number of the damaged file is not reused, so that earlier messages about it stay true.
    let file = folder.write(&checkpoint(6)).unwrap();
    assert!(file.ends_with("checkpoint-000006.safetensors"));
    assert_eq!(
        names(),
        [".refrain-lock", &*four, &five, "checkpoint-000006.safetensors", "checkpoint-7.safetensors", "mine"]
    );
}

#[test]
fn a_folder_belongs_to_one_run_at_a_time() {
    let temporary = tempfile::tempdir().unwrap();
    let mut first = CheckpointFolder::new(temporary.path());
    first.write(&checkpoint(1)).unwrap();
    let mut second = CheckpointFolder::new(temporary.path());
    let refused = second.newest().unwrap_err().to_string();
    assert!(refused.contains("another run"), "{refused}");
    second.open().unwrap_err();
    drop(first);
    assert!(second.newest().unwrap().checkpoint.is_some());
}

#[test]
fn unreadable_checkpoints_are_not_removed() {
    let temporary = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        fs::write(temporary.path().join(format!("checkpoint-{number:06}.safetensors")), "damaged").unwrap();
    }
    let mut folder = CheckpointFolder::new(temporary.path()).keep(1);
    let error = folder.newest().unwrap_err().to_string();
    assert!(error.contains("checkpoint-000003") && folder.last().is_none(), "{error}");
    folder.write(&checkpoint(1)).unwrap();
    assert_eq!(folder.list().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_new_run_removes_only_its_own_checkpoints() {
    let temporary = tempfile::tempdir().unwrap();
    CheckpointFolder::new(temporary.path()).write(&checkpoint(1)).unwrap();
    let mut anew = CheckpointFolder::new(temporary.path()).keep(1);
    for step in 2..=4 {
        anew.write(&checkpoint(step)).unwrap();
    }
    assert_eq!(anew.list().unwrap(), [1, 4]);
    // A resumed run takes over the existing checkpoints.
    drop(anew);
    let mut on = CheckpointFolder::new(temporary.path()).keep(1);
    on.newest().unwrap();
    on.write(&checkpoint(5)).unwrap();
    assert_eq!(on.list().unwrap(), [5]);
}

#[test]
fn a_deleted_folder_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("gone");
    let mut folder = CheckpointFolder::new(&path);
    folder.write(&checkpoint(1)).unwrap();
    fs::remove_dir_all(&path).unwrap();
    assert!(folder.write(&checkpoint(2)).unwrap_err().to_string().contains("cannot write"));
}

#[test]
fn checkpoints_are_due_by_count_or_by_time() {
    let every = |every| CheckpointFolder::new("no/such/folder").every(every);
    let by_count = every(Every::Batches(3));
    assert_eq!([1, 2, 3, 4, 6].map(|n| by_count.is_due(n)), [false, false, true, false, true]);
    assert!(every(Every::Time(Duration::ZERO)).is_due(1) && !every(Every::default()).is_due(1));
    assert!(!every(Every::Never).is_due(1));
}

/// A value takes many times more memory than its text.
#[test]
fn a_checkpoint_of_too_many_values_is_not_written() {
    let mut hostile = Checkpoint::new("test");
    hostile.insert("run", Part::of(&vec![0; 1 << 20]).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let error = hostile.write(folder.path().join("c")).unwrap_err().to_string();
    assert!(error.contains("JSON values"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_resumed_run_without_checkpoints_owns_the_one_it_resumed_from() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("c");
    let new = || CheckpointFolder::new(&path).every(Every::Never);
    new().write(&checkpoint(1)).unwrap();
    new().write(&checkpoint(2)).unwrap();
    let mut on = new();
    on.newest().unwrap();
    on.clear();
    assert_eq!(new().list().unwrap(), [1]);
    let mut last = new();
    last.newest().unwrap();
    last.clear();
    assert!(!path.exists());
}

#[test]
fn other_files_in_a_folder_are_kept_and_an_empty_folder_is_removed() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("lock"), "mine").unwrap();
    drop(CheckpointFolder::new(temporary.path()).open());
    assert_eq!(fs::read(temporary.path().join("lock")).unwrap(), b"mine");
    let path = temporary.path().join("new");
    let mut folder = CheckpointFolder::new(&path);
    folder.open().unwrap();
    assert!(path.exists());
    drop(folder);
    assert!(!path.exists());
}
