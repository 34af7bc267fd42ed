//! Tokens that others made: the examples of the RFCs.

use rillcast_token::{Algorithm, KeySet, verify};

use crate::forge::now;

/// The key of RFC 8037 A.2 with its thumbprint (A.3) as id.
const ED25519: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The keys of RFC 7515 A.2.1 and A.3.1.
const RSA_AND_EC: &str = r#"{"keys":[{"kty":"RSA","kid":"rsa","e":"AQAB",
    "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"kty":"EC","crv":"P-256","kid":"ec",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

#[test]
fn the_keys_of_the_rfcs_are_keys() {
    let ed = KeySet::from_jwks(ED25519.as_bytes(), None).expect("a key set");
    assert_eq!(ed.records().next().map(|record| record.algorithm()), Some(Algorithm::EdDSA));
    let both = KeySet::from_jwks(RSA_AND_EC.as_bytes(), None).expect("a key set");
    assert_eq!(both.find("rsa", "any").map(|record| record.algorithm()), Some(Algorithm::RS256));
    assert_eq!(both.find("ec", "any").map(|record| record.algorithm()), Some(Algorithm::ES256));
}

/// RFC 8037 A.4 signs a text that is no claims set, without a key id: a good signature is not yet a token.
#[test]
fn a_good_signature_over_something_else_is_no_token() {
    let ed = KeySet::from_jwks(ED25519.as_bytes(), None).expect("a key set");
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(verify(token, &ed, now()).map_err(|error| error.code()), Err("token_malformed"));
}
