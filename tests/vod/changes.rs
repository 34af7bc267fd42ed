//! Files that change while they are served: nobody ever gets bytes of two contents under one name.

use std::collections::HashMap;
use std::fs::{self, File};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::client::{Answer, DEADLINE, Transfer, get, wait_until};
use super::films::{Library, crawl, film, first, heavy_film, resolve, uris};
use super::harness::server::Server;

const MASTER: &str = "/vod/a.mp4/master.m3u8";
/// What a client reads before the file changes: some, but far from all.
const BEGINNING: usize = 10_000;

fn master(server: &Server) -> Answer {
    get(server.address(), MASTER)
}

/// The heavy film, its server, the path of its only segment and the bytes of it.
fn heavy() -> (Library, Server, String, Vec<u8>) {
    let (library, server) = Library::with("a.mp4", &heavy_film());
    let segment = first(&server, MASTER, "/v1/0.m4s");
    let whole = get(server.address(), &segment).body;
    assert!(whole.len() > 12 << 20, "more than any socket holds: {DEADLINE:?} would not be waited for else");
    (library, server, segment, whole)
}

/// A transfer of the segment that has begun.
fn begin(server: &Server, segment: &str) -> Transfer {
    let mut transfer = Transfer::begin(server.address(), "GET", segment, &[]);
    transfer.read(BEGINNING);
    transfer
}

#[test]
fn who_watches_a_replaced_file_gets_the_old_one_to_its_end() {
    let (library, server, segment, whole) = heavy();
    let old = master(&server);
    let transfer = begin(&server, &segment);
    library.replace("a.mp4", &film(6));
    let new = master(&server);
    assert_ne!(
        (new.status, new.header("etag")),
        (200, old.header("etag")),
        "the entry names the new revision"
    );
    assert!(transfer.finish().body == whole, "the bytes of the old file");
    assert!(get(server.address(), &segment).body == whole, "whoever follows him too, while it is open");
    let new_segment = first(&server, MASTER, "/v1/0.m4s");
    assert_eq!(get(server.address(), &new_segment).status, 200);
    // A server that never had the old file open knows nothing of it.
    let other = library.serve();
    let gone = get(other.address(), &segment);
    assert_eq!((gone.status, gone.json()["type"].as_str()), (404, Some("/problems/not_found")));
    assert!(gone.text().contains("load its master.m3u8 again"), "{}", gone.text());
}

#[test]
fn as_shipped_a_change_is_noticed_within_a_second() {
    let library = Library::new();
    library.put("a.mp4", &film(4));
    let server = library.serve_as_shipped();
    let old = master(&server);
    let old_child = first(&server, MASTER, "/v1/playlist.m3u8");
    library.replace("a.mp4", &film(6));
    wait_until("the entry names the new revision", || master(&server).header("etag") != old.header("etag"));
    let new_child = first(&server, MASTER, "/v1/playlist.m3u8");
    assert_eq!(get(server.address(), &new_child).status, 200);
    assert_eq!(
        get(server.address(), &old_child).status,
        200,
        "whoever follows the old one, while it is open"
    );

    fs::remove_file(library.at("a.mp4")).expect("ours");
    wait_until("the entry is gone", || master(&server).status == 404);
}

/// What a viewer has when his file was written to: less than was promised, and no byte of another content.
fn check_broken_off(mut transfer: Transfer, whole: &[u8]) {
    // A reset or an early end: both tell him.
    let _ = transfer.drain();
    let got = transfer.so_far();
    assert!(got.len() < whole.len(), "the transfer ended as if nothing had been");
    assert!(got == &whole[..got.len()], "a byte of the new content under the old name");
}

#[test]
fn a_file_written_in_place_breaks_the_transfer_before_a_wrong_byte() {
    let (library, server, segment, whole) = heavy();
    let old = master(&server);
    let transfer = begin(&server, &segment);
    let other: Vec<u8> = film(8).into_iter().chain(std::iter::repeat_n(0xaa, 16 << 20)).collect();
    fs::write(library.at("a.mp4"), other).expect("writable");
    check_broken_off(transfer, &whole);
    wait_until("the failure is logged", || server.log().contains("changed in place"));

    let gone = get(server.address(), &segment);
    assert_eq!(gone.status, 404, "{gone:?}");
    let new = master(&server);
    assert_eq!(new.status, 200);
    assert_ne!(new.header("etag"), old.header("etag"));
    let new_segment = first(&server, MASTER, "/v1/0.m4s");
    let fresh = library.serve();
    let (mine, theirs) = (get(server.address(), &new_segment), get(fresh.address(), &new_segment));
    assert_eq!(
        (mine.description(), mine.body),
        (theirs.description(), theirs.body),
        "nothing wrong was kept"
    );
}

#[test]
fn a_file_cut_short_breaks_the_transfer_and_is_refused_afterwards() {
    let (library, server, segment, whole) = heavy();
    let transfer = begin(&server, &segment);
    let file = File::options().write(true).open(library.at("a.mp4")).expect("ours");
    file.set_len(2 << 20).expect("ours");
    check_broken_off(transfer, &whole);
    for path in [MASTER, &segment] {
        let answer = get(server.address(), path);
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (422, Some("/problems/source_invalid")),
            "{path}"
        );
    }
}

#[test]
fn a_file_that_grows_is_another_file() {
    let (library, server) = Library::with("a.mp4", &film(4));
    let segment = first(&server, MASTER, "/v1/0.m4s");
    let mut file = File::options().append(true).open(library.at("a.mp4")).expect("ours");
    std::io::Write::write_all(&mut file, b"\0\0\0\x08free").expect("ours");
    // The same samples: the same revision, from the file as it is now.
    assert_eq!(first(&server, MASTER, "/v1/0.m4s"), segment);
}

#[test]
fn good_turned_bad_turned_good_again() {
    let good = film(6);
    let (library, server) = Library::with("a.mp4", &good);
    let old = master(&server);
    let segment = first(&server, MASTER, "/v1/0.m4s");
    let bytes = get(server.address(), &segment).body;
    for _ in 0..3 {
        library.replace("a.mp4", &good[..good.len() / 3]);
        assert_eq!(master(&server).status, 422);
        assert_eq!(master(&server).status, 422, "also from memory");
        assert_eq!(get(server.address(), &segment).body, bytes, "who watches goes on");
        library.replace("a.mp4", &good);
        assert_eq!((master(&server).status, master(&server).body), (200, old.body.clone()));
        assert_eq!(get(server.address(), &segment).body, bytes);
    }
    let refusals = server.log().lines().filter(|line| line.contains("an asset was refused")).count();
    assert_eq!(refusals, 3, "one line a content");
}

#[test]
fn a_bad_file_mended_in_place_is_served() {
    let good = film(6);
    let (library, server) = Library::with("a.mp4", &good[..good.len() / 2]);
    assert_eq!(master(&server).status, 422);
    fs::write(library.at("a.mp4"), &good).expect("writable");
    assert_eq!(master(&server).status, 200);
}

#[test]
fn a_removed_file_has_no_entry_and_comes_back() {
    let (library, server) = Library::with("a.mp4", &film(6));
    let old = master(&server);
    let segment = first(&server, MASTER, "/v1/0.m4s");
    fs::rename(library.at("a.mp4"), library.at("b.mp4")).expect("ours");
    assert_eq!(master(&server).status, 404);
    assert_eq!(get(server.address(), &segment).status, 200, "who watches goes on");
    let moved = get(server.address(), "/vod/b.mp4/master.m3u8");
    assert_eq!(moved.body, old.body, "a name is no part of the revision");
    fs::rename(library.at("b.mp4"), library.at("a.mp4")).expect("ours");
    assert_eq!(master(&server).body, old.body);
}

/// Viewers of each test of a file that changes all the time, and how often each comes.
const VIEWERS: usize = 4;
const VISITS: usize = 60;

/// Changes the file by `write` while viewers come and go. Whatever they get whole has to be what its URL means.
fn check_under_changes(write: impl Fn(&Library, &[u8])) {
    let films = [film(6), film(9), film(12)];
    let mut meant = HashMap::new();
    for film in &films {
        let (_library, server) = Library::with("a.mp4", film);
        let children = crawl(&server, MASTER).into_iter().skip(1);
        meant.extend(children.map(|(path, answer)| (path, answer.body)));
    }
    let (library, server) = Library::with("a.mp4", &films[0]);
    let (watching, whole) = (AtomicUsize::new(VIEWERS), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..VIEWERS {
            scope.spawn(|| {
                for _ in 0..VISITS {
                    whole.fetch_add(visit(&server, &meant), Ordering::Relaxed);
                }
                watching.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for film in films.iter().cycle() {
            write(&library, film);
            if watching.load(Ordering::Relaxed) == 0 {
                break;
            }
        }
    });
    write(&library, &films[0]);
    assert!(visit(&server, &meant) > 0, "when it rests, all is served");
    assert!(get(server.address(), MASTER).status == 200);
}

/// Loads what the entry leads to, as far as that goes, and returns how many pieces came whole.
fn visit(server: &Server, meant: &HashMap<String, Vec<u8>>) -> usize {
    let mut whole = 0;
    let Some(entry) = load(server, MASTER) else { return 0 };
    let entry = String::from_utf8(entry).expect("text");
    for uri in uris(&entry) {
        let playlist = resolve(MASTER, uri);
        for piece in [playlist.clone(), resolve(&playlist, "init.mp4"), resolve(&playlist, "0.m4s")] {
            let Some(body) = meant.get(&piece).zip(load(server, &piece)) else { continue };
            assert!(*body.0 == body.1, "{piece} has other bytes than it means");
            whole += 1;
        }
    }
    whole
}

/// The body of `path`; `None` when there is none at the moment, or when it broke off.
fn load(server: &Server, path: &str) -> Option<Vec<u8>> {
    let mut transfer = Transfer::begin(server.address(), "GET", path, &[]);
    let ended = transfer.drain();
    let (status, promised) = transfer.promise();
    assert!([200, 404, 422, 503].contains(&status), "{status} for {path}");
    let is_whole = ended.is_ok() && transfer.so_far().len() == promised;
    (status == 200 && is_whole).then(|| transfer.so_far().to_vec())
}

#[test]
fn a_file_replaced_all_the_time_never_gives_bytes_of_another() {
    check_under_changes(|library, film| library.replace("a.mp4", film));
}

#[test]
fn a_file_written_in_place_all_the_time_never_gives_bytes_of_another() {
    check_under_changes(|library, film| fs::write(library.at("a.mp4"), film).expect("writable"));
}
