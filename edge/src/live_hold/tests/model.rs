//! A live origin in forty lines, and 10,000 steps of it: what [`decide`] says must be what happens.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// Everything that was ever listed.
#[derive(Debug, Clone)]
struct Live {
    /// Parts of each complete segment, from the first.
    complete: Vec<u64>,
    open_parts: u64,
    /// Media sequence number of the first segment that is listed.
    first_listed: usize,
}

/// Segments that are listed, and those of them whose parts are.
const WINDOW: usize = 6;
const WITH_PARTS: usize = 3;

impl Live {
    /// A part more; sometimes it completes its segment.
    fn step(&mut self, completes: bool) {
        self.open_parts += 1;
        if completes {
            self.complete.push(std::mem::take(&mut self.open_parts));
            self.first_listed = self.complete.len().saturating_sub(WINDOW);
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n\
             #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            self.first_listed
        );
        let parts = |text: &mut String, msn: usize, count: u64| {
            for part in 0..count {
                writeln!(text, "#EXT-X-PART:DURATION=0.5,URI=\"{msn}.{part}.m4s\"").unwrap();
            }
        };
        for (msn, count) in self.complete.iter().enumerate().skip(self.first_listed) {
            if msn + WITH_PARTS >= self.complete.len() {
                parts(&mut text, msn, *count);
            }
            writeln!(text, "#EXTINF:4,\n{msn}.m4s").unwrap();
        }
        parts(&mut text, self.complete.len(), self.open_parts);
        writeln!(
            text,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}.{}.m4s\"",
            self.complete.len(),
            self.open_parts
        )
        .unwrap();
        text
    }

    /// Whether `asked` is listed, by the words of the draft.
    fn has(&self, asked: Position) -> bool {
        let Some(parts) = self.complete.get(usize::try_from(asked.msn).unwrap()) else {
            let is_open = asked.msn == self.complete.len() as u64;
            return is_open && asked.part.is_some_and(|part| part < self.open_parts);
        };
        match asked.part {
            Some(part) if part >= *parts => self.has(position(asked.msn + 1, Some(0))),
            _ => true,
        }
    }
}

/// Asks for everything around the live edge of `live`, and compares with what is listed.
fn compare(live: &Live) {
    let facts = Facts::read(live.text().as_bytes()).unwrap();
    let open = live.complete.len() as u64;
    assert_eq!((facts.next_msn, facts.open_parts), (open, live.open_parts));
    assert_eq!(facts.last_parts, live.complete.last().copied().unwrap_or_default());
    assert_eq!(facts.hint, Some(format!("{open}.{}.m4s", live.open_parts).into()));
    assert!(!live.has(facts.next()), "what comes next is not there");
    for msn in open.saturating_sub(3)..open + 4 {
        for part in std::iter::once(None).chain((0..16).map(Some)) {
            let asked = position(msn, part);
            let directives = Directives { position: Some(asked), skip: None };
            match decide(&facts, &directives) {
                Ok(Decision::Now) => assert!(live.has(asked), "{asked} of {live:?}"),
                Ok(Decision::Wait(awaited)) => {
                    assert!(
                        !live.has(asked) && !live.has(awaited),
                        "{asked} waits for {awaited} of {live:?}"
                    );
                }
                Err(Impossible::SegmentTooFar { .. }) => assert!(msn > open + 1, "{asked} of {live:?}"),
                Err(_) => {
                    let ahead = part.unwrap() - if msn == open { live.open_parts } else { 0 };
                    assert!((open..=open + 1).contains(&msn) && ahead >= 6, "{asked} of {live:?}");
                }
            }
        }
    }
}

/// Lets a request wait as the edge does, and says at which step it is answered.
fn answered_at(steps: &[Live], asked: Position) -> Option<usize> {
    let directives = Directives { position: Some(asked), skip: None };
    steps.iter().position(|live| {
        let facts = Facts::read(live.text().as_bytes()).unwrap();
        decide(&facts, &directives) == Ok(Decision::Now)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn conformance_57_to_61_hold_at_each_of_10_000_steps(
        completes in prop::collection::vec(prop::bool::weighted(0.25), 100),
        ahead in 0u64..2,
        part in prop::option::of(0u64..6),
    ) {
        let mut live = Live { complete: Vec::new(), open_parts: 0, first_listed: 0 };
        let mut steps = vec![live.clone()];
        for completes in completes {
            live.step(completes);
            compare(&live);
            steps.push(live.clone());
        }
        let later = &steps[30..];
        let asked = position(later[0].complete.len() as u64 + ahead, part);
        prop_assert_eq!(answered_at(later, asked), later.iter().position(|live| live.has(asked)));
    }
}
