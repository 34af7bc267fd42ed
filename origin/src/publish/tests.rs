use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rillcast_fixtures::{Shape, Track};
use tempfile::TempDir;

use super::*;

/// Bytes between two notes, so that a small file has some.
const NOTED: u64 = 1;

/// A folder with a film of two segments that is not laid out.
fn film() -> (TempDir, PathBuf, Vec<u8>) {
    let mut video = Track::avc(1, 25, 50, 300);
    video.per_chunk = 1;
    video.samples.iter_mut().for_each(|sample| sample.size *= 400);
    let bytes = Shape { index_first: false, ..Shape::new(vec![video, Track::aac(2, 563)]) }.bytes();
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let path = dir.path().join("film.mp4");
    std::fs::write(&path, &bytes).expect("the directory is ours");
    (dir, path, bytes)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("it is there")
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path()).expect("it is there");
    entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect()
}

/// What the file is when nothing disturbs.
fn finished(bytes: &[u8]) -> Vec<u8> {
    let (_dir, path, own) = film();
    assert_eq!(own, bytes);
    let report = lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    assert!(matches!(report.outcome, Outcome::Written { resumed_bytes: 0, attributes_kept: true }));
    assert!(report.before.average() > 20.0 && report.after.is_contiguous() && !report.index_first);
    read(&path)
}

#[test]
fn the_new_file_takes_the_place_of_the_old_one_with_its_age_and_permissions() {
    let (dir, path, bytes) = film();
    let before = std::fs::metadata(&path).expect("it is there");
    let new = finished(&bytes);
    let report = lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    let after = std::fs::metadata(&path).expect("it is there");
    assert_eq!((before.mode(), before.modified().ok()), (after.mode(), after.modified().ok()));
    assert_ne!(before.ino(), after.ino());
    assert_eq!((read(&path), report.new_bytes), (new.clone(), new.len() as u64));
    let again = lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    assert_eq!(again.outcome, Outcome::InPlace);
    assert_eq!(again.revision, report.revision);
    assert_eq!((read(&path), names(&dir)), (new, vec!["film.mp4".to_owned()]));
}

#[test]
fn a_run_that_ends_anywhere_leaves_the_old_file_and_the_next_one_goes_on() {
    let (dir, path, bytes) = film();
    let new = finished(&bytes);
    let mut calls = 0;
    let mut resumed = Vec::new();
    // Ended at the first sign of life, then at the second, and so on, until it gets through.
    let report = loop {
        let mut left = calls;
        let run = catch_unwind(AssertUnwindSafe(|| {
            lay_out_noting(&path, &Options::default(), NOTED, &mut |_| {
                assert!(left > 0, "ended by the test");
                left -= 1;
            })
        }));
        match run {
            Ok(report) => break report.expect("it is laid out"),
            Err(_) => assert_eq!(read(&path), bytes, "after {calls} calls"),
        }
        resumed.push(std::fs::read(partial::path_beside(&path)).expect("what was copied is kept"));
        calls += 1;
        assert!(calls < 100, "it never gets through");
    };
    let Outcome::Written { resumed_bytes, .. } = report.outcome else { panic!("{:?}", report.outcome) };
    assert!(resumed_bytes > 0 && calls > 2, "{resumed_bytes} bytes after {calls} runs");
    assert_eq!((read(&path), names(&dir)), (new, vec!["film.mp4".to_owned()]));
}

#[test]
fn what_an_earlier_run_left_of_another_source_is_not_used() {
    let (dir, path, bytes) = film();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        lay_out_noting(&path, &Options::default(), NOTED, &mut |progress| {
            assert_eq!(progress.stage, Stage::Copying, "ended by the test");
        })
    }));
    assert!(ended.is_err());
    // The same bytes, but another file: nobody knows that but by reading them.
    std::fs::remove_file(&path).expect("it is ours");
    std::fs::write(&path, &bytes).expect("the directory is ours");
    let left = partial::path_beside(&path);
    let head = read(&left);
    // Not complete any more: as if it had ended before its head was written.
    let file = OpenOptions::new().write(true).open(&left).expect("it is there");
    file.write_all_at(&[0; 100], 0).expect("it is ours");
    assert_ne!(read(&left), head);
    let report = lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    assert!(matches!(report.outcome, Outcome::Written { resumed_bytes: 0, .. }));
    assert_eq!((read(&path), names(&dir)), (finished(&bytes), vec!["film.mp4".to_owned()]));
}

#[test]
fn a_complete_file_of_wrong_bytes_is_thrown_away_and_the_next_run_starts_anew() {
    let (dir, path, bytes) = film();
    let left = partial::path_beside(&path);
    let spoil = |at: u64| {
        let file = OpenOptions::new().write(true).open(&left).expect("it is there");
        file.write_all_at(b"?", at).expect("it is ours");
    };
    let len = finished(&bytes).len() as u64;
    let result = lay_out(&path, &Options::default(), &mut |progress| {
        if progress.stage == Stage::Copying && progress.done == progress.total {
            spoil(len - 7);
        }
    });
    assert!(matches!(result, Err(PublishError::DifferentByte { offset }) if offset == len - 7), "{result:?}");
    assert_eq!((read(&path), names(&dir)), (bytes.clone(), vec!["film.mp4".to_owned()]));
    lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    assert_eq!(read(&path), finished(&bytes));
}

#[test]
fn a_source_that_changes_in_place_or_is_replaced_is_left_alone() {
    for replaced in [false, true] {
        for stage in [Stage::Copying, Stage::Verifying] {
            let (dir, path, bytes) = film();
            let mut changed = bytes.clone();
            let last = changed.len() - 1;
            changed[last] ^= 1;
            let result = lay_out(&path, &Options::default(), &mut |progress| {
                if progress.stage == stage {
                    let target = if replaced { dir.path().join("new") } else { path.clone() };
                    std::fs::write(&target, &changed).expect("the directory is ours");
                    std::fs::rename(&target, &path).expect("the directory is ours");
                }
            });
            let refused = result.as_ref().is_err_and(PublishError::is_refusal);
            assert!(refused, "{stage:?} {replaced} {result:?}");
            assert_eq!((read(&path), names(&dir)), (changed, vec!["film.mp4".to_owned()]));
        }
    }
}

#[test]
fn two_runs_do_not_write_one_file() {
    let (_dir, path, _) = film();
    let mut second = None;
    let first = lay_out(&path, &Options::default(), &mut |_| {
        second.get_or_insert_with(|| lay_out(&path, &Options::default(), &mut |_| {}));
    });
    assert!(matches!(second, Some(Err(PublishError::Busy { .. }))), "{second:?}");
    assert!(first.is_ok(), "{first:?}");
}

#[test]
fn a_batch_larger_than_a_window_is_copied_piece_by_piece() {
    // Sound that lies behind all pictures: a segment is spread over more than a window holds.
    let mut video = Track::avc(1, 25, 150, 300);
    video.per_chunk = 300;
    video.samples.iter_mut().for_each(|sample| sample.size = 120_000);
    let mut audio = Track::aac(2, 563);
    audio.per_chunk = 563;
    let bytes = Shape::new(vec![video, audio]).bytes();
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let path = dir.path().join("film.mp4");
    std::fs::write(&path, &bytes).expect("the directory is ours");
    let report = lay_out(&path, &Options::default(), &mut |_| {}).expect("it is laid out");
    // Every byte was compared on the way; the tracks were apart, though each was one piece a segment.
    assert!(matches!(report.outcome, Outcome::Written { .. }));
    assert!(report.before.is_contiguous());
}
