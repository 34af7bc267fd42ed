//! Which thread does what: nothing long is done by the thread that serves connections.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Mutex;

use bytes::Bytes;
use rillcast_fixtures::{Shape, Track};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::*;
use crate::asset_path::AssetPath;
use crate::blob::memory::MemoryStore;
use crate::index::Indexes;

/// What was told in this process: the thread, and the event with its fields.
static TOLD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Capture;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("memory");
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let mut line = Line(String::new());
        event.record(&mut line);
        TOLD.lock().expect("no panic").push((thread, line.0));
    }
}

/// The threads that told of `what` about `revision`.
fn threads(what: &str, revision: &str) -> BTreeSet<String> {
    let told = TOLD.lock().expect("no panic");
    let of = told.iter().filter(|(_, line)| line.contains(what) && line.contains(revision));
    of.map(|(thread, _)| thread.clone()).collect()
}

/// Asks for the playlists of a film of so many seconds on a thread called `core`; says its revision.
fn ask_for_playlists(seconds: usize) -> String {
    let shape = Shape::new(vec![Track::avc(1, 5, 10, seconds * 5)]);
    let store = Arc::new(MemoryStore::default());
    store.put(AssetPath::new("film.mp4").expect("a clean path"), Bytes::from(shape.bytes()));
    let background =
        tokio::runtime::Builder::new_multi_thread().thread_name("background").build().expect("threads");
    let origin = Origin::new(store, Indexes::off(), background.handle().clone(), AssetLimits::default());
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let recent = origin.recent();
            let body = async |path: String| {
                let Reply::Entity(answer) = origin.serve(&recent, &path, SystemTime::UNIX_EPOCH).await else {
                    panic!("no entity at {path}")
                };
                answer.prepared
            };
            let path = Locator::Multivariant { asset: AssetPath::new("film.mp4").expect("clean") };
            drop(body(path.to_string()).await);
            let asset = origin.assets.current(path.asset()).await.expect("a film");
            let revision = asset.revision;
            let track = asset.edition().renditions[0].name;
            for piece in [Piece::Media, Piece::IFrames] {
                let locator = Locator::Child { asset: path.asset().clone(), revision, track, piece };
                drop(body(locator.to_string()).await);
            }
            revision.to_string()
        })
    };
    let core = std::thread::Builder::new().name("core".to_owned()).spawn(work).expect("a thread");
    core.join().expect("no panic")
}

#[test]
fn a_long_film_is_parsed_and_its_playlists_written_on_other_threads_than_the_core() {
    let _set_before = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Capture));
    let background = BTreeSet::from(["background".to_owned()]);
    // Of two hours the playlist has 31 KB, of four twice as much.
    let long = ask_for_playlists(4 * 3600);
    assert_eq!(threads("an asset was parsed", &long), background);
    assert_eq!(threads("kind=Media", &long), background);
    assert_eq!(threads("kind=IFrames", &long), background);
    // What is short is not worth the way there and back; parsing always is.
    let short = ask_for_playlists(60);
    assert_eq!(threads("an asset was parsed", &short), background);
    assert_eq!(threads("kind=Media", &short), BTreeSet::from(["core".to_owned()]));
}
