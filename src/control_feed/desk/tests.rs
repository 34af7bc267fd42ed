use rillcast_edge::control::orders::order::{Name, Revocation, Revoked, UnixMicros};

use super::*;

fn desk() -> Desk {
    let keyring = Arc::new(Keyring::new(None, SystemTime::UNIX_EPOCH).expect("a key of our own"));
    let grants = Arc::clone(keyring.grants());
    Desk::new(keyring, grants, OrderedLimits::default())
}

fn purge_of(key: &str, soft: bool) -> Purge {
    Purge { what: Purged::SurrogateKey { key: Name::new(key).expect("a name") }, environment: None, soft }
}

#[test]
fn more_purges_than_can_wait_become_one_of_everything() {
    let all = |soft| Forget::Named(Purge { what: Purged::All {}, environment: None, soft });
    let named = |soft| Effect::Purge(purge_of("more", soft));
    for (first, last, expected) in [
        (named(true), named(true), all(true)),
        (named(true), named(false), all(false)),
        (named(true), Effect::Doubt, Forget::Doubted),
        (Effect::Doubt, named(true), Forget::Doubted),
        (Effect::Doubt, named(false), all(false)),
    ] {
        let desk = desk();
        desk.take(first);
        for number in 1..FORGETS_MAX {
            desk.take(Effect::Purge(purge_of(&number.to_string(), true)));
        }
        assert_eq!(desk.waiting.lock().forgets.len(), FORGETS_MAX);
        desk.take(last);
        assert_eq!(desk.waiting.lock().forgets, [expected]);
    }
}

#[test]
fn many_revocations_come_into_force_at_once_and_a_snapshot_replaces_them() {
    let desk = desk();
    let before = desk.grants.epoch();
    let revocation = |id: &str| Revocation {
        what: Revoked::Session(Name::new(id).expect("a name")),
        environment: None,
        until_us: UnixMicros(u64::MAX),
    };
    desk.take(Effect::Revocations(vec![revocation("a")]));
    desk.take(Effect::Revoke(revocation("b")));
    desk.settle(SystemTime::UNIX_EPOCH);
    assert_eq!(desk.grants.epoch(), before + 1);
    desk.settle(SystemTime::UNIX_EPOCH);
    assert_eq!(desk.grants.epoch(), before + 1, "nothing new");
    desk.take(Effect::Revocations(Vec::new()));
    desk.settle(SystemTime::UNIX_EPOCH);
    assert_eq!((desk.grants.epoch(), desk.waiting.lock().revocations.len()), (before + 2, 0));
}
