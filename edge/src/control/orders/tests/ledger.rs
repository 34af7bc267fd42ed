//! The state at the edge.

use proptest::prelude::*;

use super::*;
use crate::control::orders::ledger::{Applied, Effect, Full, KEYS_MAX, LIMITS_MAX, Ledger};
use crate::control::orders::order::Unknown;
use crate::control::orders::revocations::REVOCATION_GRACE;
use crate::control::orders::snapshot::Snapshot;

const NOW: UnixMicros = UnixMicros(1_000_000_000);

fn order(seq: u64, body: OrderBody) -> Order {
    Order { seq, at: NOW, body }
}

fn begun() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.load(Snapshot::empty(feed_id("f")), NOW);
    ledger
}

#[test]
fn orders_are_applied_once_and_in_sequence() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.apply(order(1, purge("/a")), NOW), Applied::Gap { expected: 0 }, "never a snapshot");
    ledger.load(Snapshot::empty(feed_id("f")), NOW);
    assert!(matches!(ledger.apply(order(1, purge("/a")), NOW), Applied::Now(effects) if effects.len() == 1));
    assert_eq!(ledger.apply(order(1, purge("/a")), NOW), Applied::Duplicate);
    assert_eq!(ledger.apply(order(3, purge("/a")), NOW), Applied::Gap { expected: 2 });
    let unknown = OrderBody::Unknown(Unknown::Kind);
    assert_eq!(ledger.apply(order(2, unknown), NOW), Applied::Ignored(Unknown::Kind));
    assert!(matches!(ledger.apply(order(3, purge("/b")), NOW), Applied::Now(_)), "2 counted");
}

#[test]
fn orders_that_were_skipped_make_all_that_is_kept_doubtful() {
    let mut ledger = Ledger::new();
    let at = |feed, seq| Snapshot { seq, ..Snapshot::empty(feed_id(feed)) };
    assert!(!ledger.load(at("f", 4), NOW).contains(&Effect::Doubt), "nothing was kept before");
    assert!(!ledger.load(at("f", 4), NOW).contains(&Effect::Doubt), "nothing was skipped");
    assert!(ledger.load(at("f", 5), NOW).contains(&Effect::Doubt));
    assert!(ledger.load(at("f", 2), NOW).contains(&Effect::Doubt), "a feed out of a backup");
    assert!(ledger.load(at("g", 2), NOW).contains(&Effect::Doubt), "another history");
}

#[test]
fn a_file_that_is_read_again_changes_nothing() {
    let mut ledger = begun();
    ledger.apply(order(1, key("k", KeyState::Active)), NOW);
    assert_eq!(ledger.begin(Snapshot::empty(feed_id("f")), NOW), []);
    assert_eq!(ledger.position(), Some((&feed_id("f"), 1)));
    assert!(!ledger.begin(Snapshot::empty(feed_id("g")), NOW).is_empty(), "another feed");
    assert_eq!(ledger.position(), Some((&feed_id("g"), 0)));
}

#[test]
fn keys_come_change_and_go() {
    let mut ledger = begun();
    ledger.apply(order(1, key("a", KeyState::Next)), NOW);
    let to = |state| OrderBody::Key(KeyChange::State { kid: name("a"), environment: None, state });
    let Applied::Now(effects) = ledger.apply(order(2, to(KeyState::Active)), NOW) else { panic!("applied") };
    let [Effect::Keys(keys)] = effects.as_slice() else { panic!("keys") };
    assert_eq!((keys.len(), keys[0].state), (1, KeyState::Active));
    let gone = OrderBody::Key(KeyChange::Remove { kid: name("a"), environment: None });
    assert_eq!(ledger.apply(order(3, gone), NOW), Applied::Now(vec![Effect::Keys(Vec::new())]));
    assert_eq!(ledger.apply(order(4, to(KeyState::Next)), NOW), Applied::Now(vec![Effect::Keys(Vec::new())]));
}

#[test]
fn keys_of_one_id_are_told_apart_by_environment_and_without_one_all_are_meant() {
    let mut ledger = begun();
    let of = |environment: Option<&str>, state| {
        let jwk = jwk(environment.unwrap_or("all"));
        OrderBody::Key(KeyChange::Upsert(KeyRecord {
            kid: name("k"),
            environment: environment.map(name),
            state,
            jwk,
        }))
    };
    let mut seq = 0;
    let mut states = |body| {
        seq += 1;
        let Applied::Now(effects) = ledger.apply(order(seq, body), NOW) else { panic!("applied") };
        let [Effect::Keys(keys)] = effects.as_slice() else { panic!("keys") };
        let of = |key: &KeyRecord| (key.environment.as_ref().map(|name| name.as_str().to_owned()), key.state);
        keys.iter().map(of).collect::<Vec<_>>()
    };
    let (all, acme, other) = (None, Some("acme".to_owned()), Some("other".to_owned()));
    states(of(None, KeyState::Active));
    states(of(Some("acme"), KeyState::Active));
    let known = states(of(Some("other"), KeyState::Next));
    let expected = [(all, KeyState::Active), (acme.clone(), KeyState::Active), (other, KeyState::Next)];
    assert_eq!(known, expected);
    let to = |environment: Option<&str>, state| {
        OrderBody::Key(KeyChange::State { kid: name("k"), environment: environment.map(name), state })
    };
    assert_eq!(states(to(Some("acme"), KeyState::Retiring))[1], (acme, KeyState::Retiring));
    assert!(states(to(None, KeyState::Next)).iter().all(|(_, state)| *state == KeyState::Next));
    let gone = |environment: Option<&str>| {
        OrderBody::Key(KeyChange::Remove { kid: name("k"), environment: environment.map(name) })
    };
    assert_eq!(states(gone(Some("acme"))).len(), 2);
    assert_eq!(states(gone(Some("nobody"))).len(), 2);
    assert_eq!(states(gone(None)), []);
}

#[test]
fn keys_and_limits_are_bounded_and_known_ones_change_all_the_same() {
    let mut ledger = begun();
    let mut seq = 0;
    let mut apply = |ledger: &mut Ledger, body| {
        seq += 1;
        ledger.apply(order(seq, body), NOW)
    };
    for number in 0..KEYS_MAX {
        assert!(matches!(apply(&mut ledger, key(&format!("k{number}"), KeyState::Next)), Applied::Now(_)));
    }
    assert_eq!(apply(&mut ledger, key("more", KeyState::Next)), Applied::Full(Full::Keys));
    assert!(matches!(apply(&mut ledger, key("k0", KeyState::Active)), Applied::Now(_)));
    for number in 0..LIMITS_MAX {
        assert!(matches!(apply(&mut ledger, limits(&format!("e{number}"), 1)), Applied::Now(_)));
    }
    assert_eq!(apply(&mut ledger, limits("more", 1)), Applied::Full(Full::Limits));
    assert!(matches!(apply(&mut ledger, limits("e0", 2)), Applied::Now(_)));
}

#[test]
fn what_may_be_forgotten_first_makes_room() {
    let mut ledger = Ledger::bounded(2);
    ledger.load(Snapshot::empty(feed_id("f")), NOW);
    let until = |end: u64| NOW.0 + end;
    ledger.apply(order(1, revoke("short", until(5))), NOW);
    ledger.apply(order(2, revoke("long", until(9))), NOW);
    assert_eq!((ledger.revocations(), ledger.given_up()), (2, 0));
    ledger.apply(order(3, revoke("mid", until(7))), NOW);
    assert_eq!((ledger.revocations(), ledger.given_up()), (2, 1));
    let left: Vec<_> =
        ledger.snapshot().expect("a state").revocations.into_iter().map(|one| one.what).collect();
    assert_eq!(left, [Revoked::Session(name("long")), Revoked::Session(name("mid"))]);
    ledger.apply(order(4, revoke("mid", until(1))), NOW);
    assert_eq!(ledger.given_up(), 1, "a shorter end of a known one changes nothing");
    assert_eq!(ledger.snapshot().expect("a state").revocations[1].until_us.0, until(7));
}

#[test]
fn what_ended_is_forgotten_after_a_grace() {
    let mut ledger = begun();
    ledger.apply(order(1, revoke("s", NOW.0)), NOW);
    let kept = NOW.plus(REVOCATION_GRACE);
    ledger.apply(order(2, purge("/a")), kept);
    assert_eq!(ledger.revocations(), 1);
    ledger.apply(order(3, purge("/a")), UnixMicros(kept.0 + 1));
    assert_eq!(ledger.revocations(), 0);
}

/// What happens to a feed and to an edge that reads it.
#[derive(Debug, Clone)]
enum Step {
    Give(u8, u8),
    /// The edge reads up to so many orders.
    Read(u8),
    /// It reads some again, as a line that broke off does.
    Again(u8),
    /// It takes a snapshot.
    Take,
    /// It starts anew from what it kept.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(kind, which)| Step::Give(kind, which)),
        2 => (1..4_u8).prop_map(Step::Read),
        1 => (1..4_u8).prop_map(Step::Again),
        1 => Just(Step::Take),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..60)
}

fn given(kind: u8, which: u8) -> OrderBody {
    let which = which % 5;
    match kind % 6 {
        0 => key(&format!("k{which}"), KeyState::Active),
        1 => OrderBody::Key(KeyChange::Remove { kid: name(&format!("k{which}")), environment: None }),
        2 => OrderBody::Key(KeyChange::State {
            kid: name(&format!("k{which}")),
            environment: (which == 1).then(|| name("e")),
            state: KeyState::Retiring,
        }),
        3 => revoke(&format!("s{which}"), NOW.0 + u64::from(kind)),
        4 => limits(&format!("e{which}"), u32::from(kind)),
        _ => purge(&format!("/{which}")),
    }
}

/// An edge: its state, what it kept of it, and the purges it has not been told of.
struct Edge {
    ledger: Ledger,
    kept: Snapshot,
    unpurged: Vec<OrderBody>,
}

impl Edge {
    fn read(&mut self, orders: Vec<Order>, max: usize) {
        for order in orders.into_iter().take(max) {
            if let Applied::Now(effects) = self.ledger.apply(order, NOW) {
                self.done(&effects);
            }
        }
        self.kept = self.ledger.snapshot().expect("a state");
    }

    fn done(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Purge(purge) => self.unpurged.retain(|open| *open != OrderBody::Purge(purge.clone())),
                Effect::Doubt => self.unpurged.clear(),
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn however_an_edge_reads_it_comes_to_the_state_of_the_feed(steps in steps()) {
        let feed = OrderFeed::in_memory(feed_id("f"));
        let start = feed.snapshot();
        let mut edge = Edge { ledger: begun(), kept: start, unpurged: Vec::new() };
        for step in steps {
            let (_, seq) = edge.ledger.position().expect("a feed");
            match step {
                Step::Give(kind, which) => {
                    let body = given(kind, which);
                    if matches!(body, OrderBody::Purge(_)) {
                        edge.unpurged.push(body.clone());
                    }
                    feed.append(body, NOW).expect("given");
                }
                Step::Read(max) => edge.read(tail(&feed, seq).expect("known"), usize::from(max)),
                Step::Again(back) => {
                    edge.read(tail(&feed, seq.saturating_sub(u64::from(back))).expect("known"), 3);
                }
                Step::Take => {
                    let effects = edge.ledger.load(feed.snapshot(), NOW);
                    edge.done(&effects);
                }
                Step::Restart => {
                    // The cache of memory is empty after it, so all is purged; that of a disk is held to `unpurged`.
                    edge.ledger = Ledger::new();
                    let kept = edge.kept.clone();
                    let effects = edge.ledger.load(kept, NOW);
                    edge.done(&effects);
                }
            }
        }
        let (_, seq) = edge.ledger.position().expect("a feed");
        edge.read(tail(&feed, seq).expect("known"), usize::MAX);
        prop_assert_eq!(edge.ledger.snapshot(), Some(feed.snapshot()));
        prop_assert_eq!(edge.unpurged, []);
    }
}
