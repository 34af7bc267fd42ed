use super::*;

fn bytes(len: usize) -> Vec<u8> {
    (0..=252).cycle().take(len).collect()
}

/// The same key in our algorithm and in rustls's own. From outside, keys of 32 bytes only can be made; that of 16 is
/// tested by clients of the server.
fn pair() -> [Box<dyn MessageEncrypter>; 2] {
    let stock = cipher_suite::TLS13_AES_256_GCM_SHA384.tls13().unwrap();
    [AES_256.aead_alg, stock.aead_alg]
        .map(|algorithm| algorithm.encrypter(AeadKey::from([5; 32]), Iv::copy(&[9; 12])))
}

fn sealed(encrypter: &mut dyn MessageEncrypter, payload: OutboundChunks<'_>, sequence: u64) -> Vec<u8> {
    let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_3);
    encrypter.encrypt(OutboundPlainMessage { typ, version, payload }, sequence).unwrap().encode()
}

#[test]
fn records_are_those_of_rustls_whatever_pieces_they_come_in() {
    let all = bytes(FRAGMENT_BYTES_MAX + 100);
    let [mut ours, mut theirs] = pair();
    let (head, rest) = all.split_at(100);
    let chunks = [head, rest];
    let part = |start, end| OutboundChunks::Multiple { chunks: &chunks, start, end };
    let payloads = [
        OutboundChunks::Single(&all[..FRAGMENT_BYTES_MAX]),
        OutboundChunks::Single(&all[..1]),
        OutboundChunks::Single(&[]),
        part(0, 100),
        part(0, 101),
        part(99, 101),
        part(100, FRAGMENT_BYTES_MAX + 100),
        part(50, 50),
        part(200, 16_000),
    ];
    for (sequence, payload) in (0..).zip(payloads) {
        let ours = sealed(ours.as_mut(), payload.clone(), sequence);
        assert!(ours == sealed(theirs.as_mut(), payload, sequence), "record {sequence}");
    }
}

#[test]
fn pieces_are_found_where_a_fragment_lies_in_one() {
    let chunks = [&b"abc"[..], b"", b"defg"];
    let piece = |start, end| {
        in_one_piece(&OutboundChunks::Multiple { chunks: &chunks, start, end }).map(<[u8]>::to_vec)
    };
    assert_eq!(piece(0, 3).unwrap(), b"abc");
    assert_eq!(piece(1, 2).unwrap(), b"b");
    assert_eq!(piece(3, 7).unwrap(), b"defg");
    assert_eq!(piece(2, 4), None);
    assert_eq!(piece(7, 8), None);
}

#[test]
fn only_two_suites_of_the_provider_are_ours() {
    let (ours, stock) = (provider(), stock::default_provider());
    let names = |provider: &CryptoProvider| {
        provider.cipher_suites.iter().map(SupportedCipherSuite::suite).collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&stock), "the same, in the same order");
    let differ = ours.cipher_suites.iter().zip(&stock.cipher_suites);
    let differ = differ.filter(|(ours, stock)| {
        let aead = |suite: &SupportedCipherSuite| suite.tls13().map(|suite| std::ptr::from_ref(suite).addr());
        aead(ours) != aead(stock)
    });
    assert_eq!(differ.count(), 2);
}
