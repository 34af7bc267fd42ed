//! Events from cores to the control plane.

mod queue;
mod sender;
mod wire;

use super::event::{ChannelChange, Event, SessionBeat, Sums};
use crate::control::orders::order::{Name, UnixMicros};

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// An event that is known by its number.
fn beat(number: u64) -> Event {
    Event::SessionBeat(SessionBeat {
        session: Some(name(&format!("s{number}"))),
        environment: Some(name("e")),
        asset: Some(name("/vod/a")),
        from_us: UnixMicros(1),
        to_us: UnixMicros(2),
        sums: Sums { requests: number, bytes: 7, ..Sums::default() },
    })
}

fn started(channel: &str) -> Event {
    Event::ChannelStarted(ChannelChange {
        channel: name(channel),
        environment: None,
        session: name("p1"),
        at_us: UnixMicros(5),
    })
}

/// The number of a beat.
fn number_of(event: &Event) -> u64 {
    let Event::SessionBeat(beat) = event else { panic!("a beat: {event:?}") };
    beat.sums.requests
}
