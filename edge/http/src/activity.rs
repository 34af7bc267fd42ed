//! What a connection has done lately, and when that becomes too little.
//!
//! One driver asks [`Activity::verdict`] now and then; the socket, the requests and their bodies write into it. All
//! live on one core, so there is no lock. Time is passed in.
//!
//! A client is stalled when it takes nothing, and only the kernel knows: of a socket with a megabyte unsent it says that
//! there is room again after half of it. So while something waits, every look asks how much the kernel still holds, and
//! less than at the last look is progress as good as a write.
//!
//! Invariant the driver relies on: a condition that begins at `t` never expires before `t` plus the smallest limit,
//! so looking again after that long misses nothing; and a stall is looked at [`LOOKS_A_STALL`] times before it expires.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::{limits::Limits, request::Transport};

/// How often, at least, a client is looked at in the time after which it counts as stalled. What it takes before the
/// first look cannot be seen: one in this many parts of the time does not count.
const LOOKS_A_STALL: u32 = 4;

/// The state of one connection, by time.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Streams of HTTP/2 come and go on one connection: bytes read there say nothing about a head.
    is_http2: Cell<bool>,
    is_plain_http1: Cell<bool>,
    /// Requests whose head is complete and whose body is not finished.
    in_flight: Cell<usize>,
    /// Of those, the ones whose response body is being sent.
    sending: Cell<usize>,
    /// When the first byte of an incomplete head came.
    head_since: Cell<Option<Instant>>,
    /// When the last request ended.
    idle_since: Cell<Instant>,
    /// Since when the socket takes nothing although we have something.
    blocked_since: Cell<Option<Instant>>,
    /// When a body was last asked for a frame.
    frame_at: Cell<Instant>,
    /// Bytes that the kernel held when it was last looked at, if something waited then.
    held: Cell<Option<u64>>,
    /// When we asked the connection to close.
    closing_since: Cell<Option<Instant>>,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before this time.
    LookAgain(Instant),
    /// It has no request: ask it to close.
    Idle,
    /// Drop it; the word says why.
    Drop(&'static str),
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            is_http2: Cell::new(false),
            is_plain_http1: Cell::new(false),
            in_flight: Cell::new(0),
            sending: Cell::new(0),
            head_since: Cell::new(Some(now)),
            idle_since: Cell::new(now),
            blocked_since: Cell::new(None),
            frame_at: Cell::new(now),
            held: Cell::new(None),
            closing_since: Cell::new(None),
        }
    }

    /// The protocol is known and its first request is awaited.
    pub(crate) fn begin_http(&self, transport: Transport, now: Instant) {
        let is_http2 = transport.is_http2();
        self.is_http2.set(is_http2);
        self.is_plain_http1.set(transport == Transport::PlainHttp1);
        self.idle_since.set(now);
        self.head_since.set((!is_http2).then_some(now));
    }

    /// The socket gave bytes.
    pub(crate) fn bytes_read(&self, now: Instant) {
        if !self.is_http2.get() && self.in_flight.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(now));
        }
    }

    /// The socket took bytes.
    pub(crate) fn bytes_taken(&self) {
        self.blocked_since.set(None);
    }

    /// The socket would not take bytes.
    pub(crate) fn write_blocked(&self, now: Instant) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(now));
        }
    }

    /// Whether the head of a request is complete and the body of its response is not, on a connection where nobody reads
    /// meanwhile: under TLS the end of one is a message, which only a reader understands.
    pub(crate) fn is_answering_unread(&self) -> bool {
        self.is_plain_http1.get() && self.in_flight.get() > 0
    }

    pub(crate) fn request_began(&self) {
        self.head_since.set(None);
        self.in_flight.set(self.in_flight.get().saturating_add(1));
    }

    pub(crate) fn body_began(&self, now: impl FnOnce() -> Instant) {
        self.sending.set(self.sending.get().saturating_add(1));
        self.frame_sent(now);
    }

    /// The time is asked for only where it counts: on HTTP/1 the socket tells of every stall.
    pub(crate) fn frame_sent(&self, now: impl FnOnce() -> Instant) {
        if self.is_http2.get() {
            self.frame_at.set(now());
        }
    }

    pub(crate) fn request_ended(&self, was_sending: bool, now: Instant) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if was_sending {
            self.sending.set(self.sending.get().saturating_sub(1));
        }
        self.idle_since.set(now);
        self.frame_at.set(now);
    }

    pub(crate) fn closing(&self, now: Instant) {
        if self.closing_since.get().is_none() {
            self.closing_since.set(Some(now));
        }
    }

    /// Counts as progress what the client took since the last look, although there was no room for a write.
    fn look_at(&self, held: Option<u64>, now: Instant) {
        if let (Some(before), Some(held)) = (self.held.get(), held)
            && held < before
        {
            self.blocked_since.set(self.blocked_since.get().map(|_| now));
            self.frame_at.set(now);
        }
        self.held.set(held);
    }

    /// Whether something has lasted too long, or when to look again. `held` asks the kernel how many bytes it holds
    /// that the client has not taken; it is called when something waits for the client.
    pub(crate) fn verdict(
        &self,
        limits: &Limits,
        now: Instant,
        held: impl FnOnce() -> Option<u64>,
    ) -> Verdict {
        let is_resting = self.in_flight.get() == 0 && self.blocked_since.get().is_none();
        let stalled_stream = self.is_http2.get() && self.sending.get() > 0;
        let is_waiting = stalled_stream || self.blocked_since.get().is_some();
        self.look_at(if is_waiting { held() } else { None }, now);
        let closing = self.closing_since.get().filter(|_| is_resting);
        let idle = (is_resting && self.head_since.get().is_none() && closing.is_none())
            .then(|| self.idle_since.get());
        let watched = [
            (self.head_since.get(), limits.header_time, Verdict::Drop("slow_head")),
            (self.blocked_since.get(), limits.send_stall_time, Verdict::Drop("stalled")),
            (stalled_stream.then(|| self.frame_at.get()), limits.send_stall_time, Verdict::Drop("stalled")),
            (closing, limits.send_stall_time, Verdict::Drop("slow_close")),
            (idle, limits.idle_time, Verdict::Idle),
        ];
        let mut look_again = now.checked_add(shortest(limits)).unwrap_or(now);
        for (since, limit, verdict) in watched {
            let Some(until) = since.and_then(|since| since.checked_add(limit)) else { continue };
            if until <= now {
                return verdict;
            }
            look_again = look_again.min(until);
        }
        Verdict::LookAgain(look_again)
    }
}

/// The smallest limit; at least a millisecond, so that a limit of zero does not spin.
fn shortest(limits: &Limits) -> Duration {
    let look = limits.send_stall_time / LOOKS_A_STALL;
    let least = limits.header_time.min(look).min(limits.idle_time);
    least.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script of what happens at which second, and what the verdict is at the end.
    struct Script {
        start: Instant,
        activity: Activity,
        /// What the kernel says that it holds.
        held: Cell<Option<u64>>,
    }

    impl Script {
        #[expect(
            clippy::disallowed_methods,
            reason = "an instant can only be made by the clock; any will do"
        )]
        fn new(is_http2: bool) -> Self {
            let start = Instant::now();
            let activity = Activity::new(start);
            let transport = if is_http2 { Transport::TlsHttp2 } else { Transport::PlainHttp1 };
            activity.begin_http(transport, start);
            Self { start, activity, held: Cell::new(None) }
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        fn verdict(&self, second: u64) -> Option<Verdict> {
            let limits = Limits {
                header_time: Duration::from_secs(10),
                idle_time: Duration::from_secs(60),
                send_stall_time: Duration::from_secs(30),
                ..Limits::default()
            };
            let verdict = self.activity.verdict(&limits, self.at(second), || self.held.get());
            (!matches!(verdict, Verdict::LookAgain(_))).then_some(verdict)
        }
    }

    #[test]
    fn a_head_has_its_time_from_the_start_and_from_its_first_byte() {
        let script = Script::new(false);
        assert_eq!(script.verdict(9), None);
        assert_eq!(script.verdict(10), Some(Verdict::Drop("slow_head")));
        script.activity.request_began();
        script.activity.request_ended(false, script.at(20));
        assert_eq!(script.verdict(40), None);
        script.activity.bytes_read(script.at(41));
        script.activity.bytes_read(script.at(50)); // A byte now and then does not prolong it.
        assert_eq!(script.verdict(50), None);
        assert_eq!(script.verdict(51), Some(Verdict::Drop("slow_head")));
    }

    #[test]
    fn a_connection_without_requests_is_idle_after_its_time() {
        for is_http2 in [false, true] {
            let script = Script::new(is_http2);
            script.activity.request_began();
            assert_eq!(script.verdict(1000), None, "a handler may hold a request");
            script.activity.request_ended(false, script.at(1000));
            assert_eq!(script.verdict(1059), None);
            assert_eq!(script.verdict(1060), Some(Verdict::Idle));
            script.activity.closing(script.at(1060));
            assert_eq!(script.verdict(1089), None);
            assert_eq!(script.verdict(1090), Some(Verdict::Drop("slow_close")));
        }
    }

    #[test]
    fn a_client_that_takes_nothing_is_dropped_and_one_that_takes_little_is_not() {
        let script = Script::new(false);
        script.activity.request_began();
        script.activity.body_began(|| script.at(0));
        script.activity.write_blocked(script.at(1));
        script.activity.bytes_taken();
        script.activity.write_blocked(script.at(20));
        script.activity.write_blocked(script.at(40)); // Still the same wait.
        assert_eq!(script.verdict(49), None);
        assert_eq!(script.verdict(50), Some(Verdict::Drop("stalled")));
    }

    #[test]
    fn http2_counts_frames_and_not_the_bytes_of_pings() {
        let script = Script::new(true);
        script.activity.request_began();
        script.activity.body_began(|| script.at(0));
        script.activity.frame_sent(|| script.at(5));
        script.activity.bytes_taken();
        assert_eq!(script.verdict(34), None);
        assert_eq!(script.verdict(35), Some(Verdict::Drop("stalled")));
        script.activity.request_ended(true, script.at(36));
        assert_eq!(script.verdict(90), None);
    }

    #[test]
    fn what_the_kernel_got_rid_of_is_progress_and_what_it_keeps_is_none() {
        for is_http2 in [false, true] {
            let script = Script::new(is_http2);
            script.activity.request_began();
            script.activity.body_began(|| script.at(0));
            script.activity.write_blocked(script.at(0));
            let mut held = 1 << 20;
            // A byte every twenty seconds is enough, for as long as it takes.
            for second in (5..1000).step_by(20) {
                script.held.set(Some(held));
                assert_eq!(script.verdict(second), None, "at {second}");
                held -= 1;
            }
            // The last progress was seen at 985.
            assert_eq!(script.verdict(1014), None);
            assert_eq!(script.verdict(1015), Some(Verdict::Drop("stalled")));
        }
    }

    #[test]
    fn more_in_the_kernel_than_before_is_no_progress() {
        let script = Script::new(true);
        script.activity.request_began();
        script.activity.body_began(|| script.at(0));
        // The answers to a client's pings, say.
        for (second, held) in [(0, 0), (10, 0), (20, 17), (29, 34)] {
            script.held.set(Some(held));
            assert_eq!(script.verdict(second), None, "at {second}");
        }
        assert_eq!(script.verdict(30), Some(Verdict::Drop("stalled")));
    }

    #[test]
    fn a_stall_is_looked_at_several_times_and_the_kernel_only_asked_when_something_waits() {
        let script = Script::new(false);
        let limits = Limits { send_stall_time: Duration::from_secs(4), ..Limits::default() };
        let never = || panic!("nothing waits");
        let Verdict::LookAgain(at) = script.activity.verdict(&limits, script.at(0), never) else { panic!() };
        assert_eq!(at, script.at(1));
    }
}
