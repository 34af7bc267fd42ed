//! What holds for all tokens.

use std::sync::OnceLock;

use proptest::prelude::*;
use rillcast_token::{Algorithm, Claims, KeyRecord, KeySet, sign, verify};

use crate::forge::{at, key, now, set};

/// One key of each kind, since RSA keys take a while to make.
fn keys() -> &'static [(KeyRecord, KeySet)] {
    static KEYS: OnceLock<Vec<(KeyRecord, KeySet)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let all = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::HS256];
        all.map(key).map(|record| (record.clone(), set(&record))).into()
    })
}

fn claims() -> impl Strategy<Value = Claims> {
    let id = || proptest::option::of("[a-zA-Z0-9 ü/\"\\\\]{1,20}");
    let lists = (
        proptest::collection::vec("(/[a-z0-9.]{1,8}a){1,4}/?", 1..4),
        proptest::option::of(proptest::collection::vec(
            "[1-9][0-9]\\.[1-9][0-9]\\.[0-9]\\.0/[12][0-9]",
            1..3,
        )),
        proptest::option::of(proptest::collection::vec("[a-zA-Z]{2}", 1..3)),
        proptest::option::of(proptest::collection::vec("(\\*\\.)?[a-z]{1,9}\\.[a-z]{2}", 1..3)),
    );
    let numbers = (proptest::option::of(0..9000_u32), proptest::option::of(any::<u64>()), 1..1_000_000_i64);
    (lists, numbers, (id(), id(), id(), id())).prop_map(|(lists, numbers, (sid, sub, jti, policy))| Claims {
        paths: lists.0,
        ip: lists.1,
        countries: lists.2,
        referrers: lists.3,
        max_height: numbers.0,
        max_session_s: numbers.1,
        exp: at(numbers.2),
        nbf: None,
        iat: Some(at(0)),
        env: None,
        jti,
        sid,
        sub,
        policy,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_is_read_back(claims in claims(), which in 0..4_usize) {
        let (record, set) = &keys()[which];
        let token = sign(&claims, record).expect("good claims are signed");
        let grant = verify(&token, set, now()).expect("a good token");
        prop_assert_eq!(grant.session(), claims.sid.as_deref());
        prop_assert_eq!(grant.subject(), claims.sub.as_deref());
        prop_assert_eq!(grant.policy(), claims.policy.as_deref());
        prop_assert_eq!(grant.max_height(), claims.max_height);
        prop_assert_eq!(grant.until(), claims.exp.time());
        prop_assert_eq!(grant.key_id(), record.kid());
        for path in &claims.paths {
            let below = if path.ends_with('/') { format!("{path}x/y") } else { format!("{path}/x/y") };
            prop_assert!(grant.covers(path) && grant.covers(&below));
        }
    }

    /// Whatever byte is changed to whatever other byte, the token is refused.
    #[test]
    fn any_flip_is_refused(which in 0..4_usize, place in any::<prop::sample::Index>(), flip in 1..=127_u8) {
        let (record, set) = &keys()[which];
        let mut claims = crate::forge::claims("/vod/film.mp4/");
        claims.sid = Some("session".to_owned());
        let mut bytes = sign(&claims, record).expect("a token").into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        let token = String::from_utf8(bytes).expect("ASCII stays ASCII");
        prop_assert!(verify(&token, set, now()).is_err());
    }

    #[test]
    fn anything_else_is_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(verify(&text, &keys()[0].1, now()).is_err());
    }
}
