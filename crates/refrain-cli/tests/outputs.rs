//! Results that cannot be written, or would replace each other, are refused before any work.

mod common;

use common::{TestDir, tiny};

#[test]
fn results_that_overlap_are_refused_in_every_command() {
    let dir = TestDir::new();
    dir.train("model.safetensors", &[]);
    let before = dir.names();
    for (options, phrases) in [
        (["--out", "m", "--checkpoint", "m"], ["--checkpoint m", "--out m is a file"]),
        (["--out", "m", "--log-dir", "m"], ["--log-dir m", "--out m is a file"]),
        (["--out", "m", "--log-dir", "m/logs"], ["--log-dir m/logs", "--out m is a file"]),
        (["--csv-log", "x", "--log-dir", "./x"], ["--log-dir ./x", "--csv-log x is a file"]),
        (["--out", "m", "--csv-log", "m"], ["--csv-log are both m", "overwrite"]),
        (["--csv-log", "new/c.csv", "--log-dir", "new/c.csv/logs"], ["--log-dir", "is a file"]),
    ] {
        dir.refused(&tiny(&[&["train", "text", "song.txt"], &options[..]].concat()), &phrases);
    }
    dir.refused(
        &["inspect", "model.safetensors", "song.txt", "--html", "z", "--out", "z"],
        &["--html z is a file", "--out z"],
    );
    assert_eq!(dir.names(), before, "nothing is left behind");
}

#[test]
fn a_dash_and_a_missing_folder_are_refused() {
    let dir = TestDir::new();
    dir.train("model.safetensors", &[]);
    dir.write("x.npy", b"");
    let before = dir.names();
    for command in [
        ["train", "text", "song.txt", "--out", "-"],
        ["train", "text", "song.txt", "--csv-log", "-"],
        ["inspect", "model.safetensors", "song.txt", "--html", "-"],
    ] {
        dir.refused(&command, &["cannot write to -", "./-"]);
    }
    dir.refused(&["train", "text", "song.txt", "--out", "models/"], &["models/", "not the name of a file"]);
    dir.refused(
        &["train", "text", "song.txt", "--out", "models/m"],
        &["models/m", "No such file or directory"],
    );
    assert_eq!(dir.names(), before, "nothing is left behind");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_of_results_are_kept() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    let dir = TestDir::new();
    fs::create_dir(dir.file("models")).unwrap();
    symlink("models/latest", dir.file("link")).unwrap();
    for _ in 0..2 {
        dir.train("link", &[]);
        assert!(dir.file("link").is_symlink() && dir.file("models/latest").is_file());
        fs::set_permissions(dir.file("models/latest"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir.train("link", &[]);
    assert_eq!(dir.file("models/latest").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let long = format!("{}.safetensors", "n".repeat(240));
    dir.train(&long, &[]);
    assert!(dir.file(&long).is_file());
}
