//! Three edges in front of two origins, all of them processes of their own on 127.0.0.x, and what their viewers notice when
//! an origin is killed, an edge is cut off from the origin it would ask first, and every edge is started anew in turn:
//! nothing.
//!
//! Between all of them are lines ([`line`]), TCP proxies that break as networks break, so that each fault meets bodies in
//! their middle. A viewer has a door of its own, which stands for what an operator has in front of edges: see [`house`].
//! Doors know nothing of health and repeat nothing; that an edge goes away, they find when it lets nobody in.
//!
//! - [`browsers_play_on_whatever_fails`]: hls.js in a browser ([`audience`]), with little ahead and at twice the speed.
//! - [`viewers_get_every_byte_whatever_fails`]: viewers without a browser ([`showing`]). Each asks in order ([`film`]), once
//!   ([`http`]), and compares every byte.
//!
//! Nothing here waits for a time to pass: faults come when viewers have come so far.
#![expect(clippy::panic, reason = "a test fails by it")]

#[path = "failover/audience.rs"]
mod audience;
#[path = "failover/clock.rs"]
mod clock;
#[path = "failover/film.rs"]
mod film;
#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;
#[path = "failover/house.rs"]
mod house;
#[path = "failover/http.rs"]
mod http;
#[path = "failover/line.rs"]
mod line;
#[path = "failover/showing.rs"]
mod showing;

use audience::Audience;
use film::Film;
use house::{EDGES, Figures, House, VIEWERS};
use rillcast_fixtures::{Shape, Track};
use showing::Showing;

/// Segments of the film: as many as are played below, and some.
const SEGMENTS: usize = 30;
/// Seconds of one, which is a group of pictures: the origin cuts no shorter ones.
const SEGMENT_S: usize = 5;

/// Pictures and sound of [`SEGMENTS`]; a segment of pictures is some 300 kB.
fn film() -> Vec<u8> {
    let seconds = SEGMENTS * SEGMENT_S;
    let mut pictures = Track::avc(1, 25, 25 * SEGMENT_S, seconds * 25);
    pictures.samples.iter_mut().for_each(|sample| sample.size = 2400);
    Shape::new(vec![pictures, Track::aac(2, seconds * 47)]).bytes()
}

const ALL: [usize; EDGES] = [0, 1, 2];

#[test]
fn viewers_get_every_byte_whatever_fails() {
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let source = folder.path().join("film.mp4");
    std::fs::write(&source, film()).expect("writable");
    let mut house = House::new("film.mp4", &source);
    let film = Film::of(house.origin(0), "film.mp4");
    assert_eq!(film, Film::of(house.origin(1), "film.mp4"), "two origins of one file give the same");
    assert_eq!(film.steps.len(), SEGMENTS);

    let faults = showing::show(&mut house, &film, |house, showing| {
        showing.play(4);
        kill_an_origin(house, showing);
        cut_an_edge_off(house, showing);
        for edge in ALL {
            start_anew(house, showing, edge);
        }
        showing.play_out();
    });
    assert_eq!(faults, Vec::<String>::new());
}

/// Seconds of what browsers play.
const PLAYED_S: u32 = 70;

#[test]
fn browsers_play_on_whatever_fails() {
    if !(harness::tools::present(&["ffmpeg"]) && harness::browser::present()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let source = folder.path().join("film.mp4");
    let segment_s = u32::try_from(SEGMENT_S).expect("it is small");
    audience::make(&source, PLAYED_S, segment_s);
    let mut house = House::new("film.mp4", &source);
    let film = Film::of(house.origin(0), "film.mp4");
    assert_eq!(film.steps.len(), usize::try_from(PLAYED_S / segment_s).expect("it is small"));

    let _turn = harness::tools::turn("browser");
    let mut audience = Audience::begin(&house, "film.mp4");
    audience.wait_for(7.0);
    house.kill(0);
    audience.wait_for(20.0);
    house.revive(0);
    house.cut_off(0, 1);
    audience.wait_for(36.0);
    ALL.iter().for_each(|edge| is_well(&house.figures(*edge), *edge));
    house.heal();
    for (edge, at_s) in ALL.into_iter().zip([36.0, 42.0, 48.0]) {
        audience.wait_for(at_s);
        house.tell_to_stop(edge);
        house.wait(edge);
        house.start_again(edge);
    }
    let viewers = audience.end();
    assert_eq!(viewers.len(), VIEWERS);
    let longest_stall_s = audience::segment_s(f64::from(segment_s));
    let faults = viewers.iter().enumerate().flat_map(|(viewer, seen)| {
        let stalls =
            format!("viewer {viewer}: {} stalls, the longest of {} s", seen["stalls"], seen["longestStall"]);
        harness::tools::say(&format!("{stalls}; {} pictures, {}", seen["frames"], seen["problems"]));
        let pictures = PLAYED_S * audience::PICTURES_A_SECOND;
        let faults = audience::faults(seen, &film, pictures, longest_stall_s);
        faults.into_iter().map(move |fault| format!("viewer {viewer}: {fault}"))
    });
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<String>::new());
    ALL.iter().for_each(|edge| is_well(&house.figures(*edge), *edge));
}

/// In the middle of what it sends to all edges.
fn kill_an_origin(house: &mut House, showing: &Showing<'_>) {
    let victim = house.hold_in_the_middle(&ALL, || showing.let_on(6));
    house.kill(victim);
    showing.wait();
    for edge in ALL {
        let figures = house.figures(edge);
        assert!(figures.sum(RESUMES, "outcome", "resumed") >= 1, "edge {edge} had the rest from the other");
        let refused = figures.sum("rillcast_upstream_connections_total", "outcome", "failed");
        assert!(refused >= 1, "edge {edge} asked the dead one again");
        is_well(&figures, edge);
    }
    house.revive(victim);
}

/// The network between an edge and the origin that it would ask first swallows everything.
fn cut_an_edge_off(house: &mut House, showing: &Showing<'_>) {
    let resumes = |house: &House| ALL.map(|edge| house.figures(edge).sum(RESUMES, "", ""));
    let before = resumes(house);
    house.hold_in_the_middle(&[0], || showing.let_on(6));
    showing.wait();
    let after = resumes(house);
    assert!(after[0] > before[0], "edge 0 had the rest from the other");
    assert_eq!(after[1..], before[1..], "the others noticed nothing");
    let figures = house.figures(0);
    assert!(
        figures.sum("rillcast_upstream_requests_total", "outcome", "overtaken") >= 1,
        "silence is not waited for"
    );
    is_well(&figures, 0);
    house.heal();
}

/// An edge is told to stop in the middle of a body, and is gone for a while.
fn start_anew(house: &mut House, showing: &Showing<'_>, edge: usize) {
    let diverted =
        |house: &House| (0..VIEWERS).map(|viewer| house.door(viewer).carried().diverted).sum::<u64>();
    let before = diverted(house);
    house.hold_in_the_middle(&[edge], || showing.let_on(1));
    house.tell_to_stop(edge);
    house.heal();
    showing.wait();
    house.wait(edge);
    showing.play(1);
    assert!(diverted(house) > before, "its viewers went to another edge");
    house.start_again(edge);
    showing.play(1);
}

const RESUMES: &str = "rillcast_upstream_resumes_total";

/// That an edge had nothing but good answers, and had to fall back on nothing old.
fn is_well(figures: &Figures, edge: usize) {
    const FILLS: &str = "rillcast_edge_fills_total";
    let good = figures.sum(FILLS, "outcome", "complete") + figures.sum(FILLS, "outcome", "validated");
    let fills: Vec<&str> = figures.of(FILLS).collect();
    assert_eq!(figures.sum(FILLS, "", ""), good, "edge {edge}: {fills:?}");
    for cache in ["stale", "stale_if_error", "local", "bypass"] {
        let requests = figures.sum("rillcast_edge_requests_total", "cache", cache);
        assert_eq!(requests, 0, "edge {edge}: {cache}");
    }
}
