use super::*;

fn told(path: &Path, json: bool) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(&[path.to_owned()], json, &mut out, &mut err).expect("writing to memory does not fail");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (exit, text(out), text(err))
}

#[test]
fn a_missing_file_is_unreadable_and_told_on_the_error_stream() {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let (exit, out, err) = told(&dir.path().join("none\u{1b}.mp4"), false);
    assert_eq!((exit, exit.code(), out.as_str()), (Exit::Unreadable, 2, ""));
    assert!(err.contains("none\\u{1b}.mp4: no such file"), "{err}");
}

#[test]
fn an_empty_file_is_refused_in_both_forms() {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let file = dir.path().join("empty.mp4");
    std::fs::write(&file, b"").expect("the directory is ours");
    let (exit, text, err) = told(&file, false);
    assert_eq!((exit, exit.code(), err.as_str()), (Exit::Refused, 1, ""));
    assert!(text.contains("refused      empty\n               the file is empty\n"), "{text}");
    let (_, json, _) = told(&file, true);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["playable"], &json["refused"]["kind"]), (&false.into(), &"empty".into()));
    assert!(json.get("tracks").is_none() && json.get("unreadable").is_none());
}

#[test]
fn several_files_make_an_array_and_the_worst_exit() {
    let dir = tempfile::tempdir().expect("a writable place for temporary files");
    let file = dir.path().join("text.mp4");
    std::fs::write(&file, b"this is no movie").expect("the directory is ours");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let paths = [file.clone(), dir.path().to_owned(), file];
    let exit = run(&paths, true, &mut out, &mut err).expect("writing to memory does not fail");
    let json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!((exit, json.as_array().map(Vec::len)), (Exit::Unreadable, Some(3)));
    assert_eq!(
        (&json[0]["refused"]["kind"], &json[1]["unreadable"]["kind"]),
        (&"not-mp4".into(), &"directory".into())
    );
}
