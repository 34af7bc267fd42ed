//! The audit's reading of playlists against another reader, `m3u8-rs`.
//!
//! The audit's reader is private; what it read shows in what it asks for, so that is what is compared.

use std::collections::BTreeSet;

use m3u8_rs::Playlist;
use rillcast_audit::{Audit, FetchRequest, Method, Options, Step};

use crate::driver::serve;
use crate::fixture::{Plan, Site};

/// (URL, first byte, bytes) of everything the audit fetched to play.
fn asked(site: &Site) -> BTreeSet<(String, Option<String>)> {
    let mut audit = Audit::new(&site.entry, Options { http: false, ..Options::default() });
    let mut asked = BTreeSet::new();
    loop {
        match audit.poll() {
            Step::Fetch(request) => {
                assert_eq!(request.method, Method::Get);
                asked.insert((request.url.clone(), range(&request)));
                audit.supply(request.id, &serve(site, &request));
            }
            Step::Wait => unreachable!("every request is answered at once"),
            Step::Done(_) => return asked,
        }
    }
}

fn range(request: &FetchRequest) -> Option<String> {
    request.headers.iter().find(|(name, _)| name == "range").map(|(_, value)| value.clone())
}

#[test]
fn another_reader_finds_the_same_documents() {
    let site = Site::new(&Plan::default());
    let root = site.entry.rsplit_once('/').expect("an absolute URL").0;
    let mut expected = BTreeSet::from([(site.entry.clone(), None)]);
    let Ok((_, Playlist::MasterPlaylist(master))) = m3u8_rs::parse_playlist(&site.documents["master.m3u8"])
    else {
        unreachable!("the fixture's entry is a multivariant playlist")
    };
    assert_eq!(master.version, Some(6));
    let uris = master.variants.iter().map(|variant| variant.uri.clone());
    let uris = uris.chain(master.alternatives.iter().filter_map(|media| media.uri.clone()));
    for uri in uris {
        let Ok((_, list)) = m3u8_rs::parse_media_playlist(&site.documents[&uri]) else {
            unreachable!("the fixture's children are media playlists")
        };
        assert!(list.end_list && list.segments.len() == 3 && list.target_duration == 2, "{uri}");
        let folder = uri.split_once('/').expect("children lie in folders").0;
        expected.insert((format!("{root}/{uri}"), None));
        for segment in &list.segments {
            let range = segment.byte_range.as_ref().map(|range| {
                let first = range.offset.expect("the fixture states offsets");
                format!("bytes={first}-{}", first + range.length - 1)
            });
            expected.insert((format!("{root}/{folder}/{}", segment.uri), range));
            if let Some(map) = &segment.map {
                expected.insert((format!("{root}/{folder}/{}", map.uri), None));
            }
        }
    }
    assert_eq!(asked(&site), expected);
}
