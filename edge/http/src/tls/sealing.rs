//! Records sealed from where their bytes lie, instead of from a copy: TLS 1.3 with AES-GCM.
//!
//! rustls copies each piece of plaintext into the record and encrypts it there. For bodies that come out of slabs or
//! read buffers that copy is the second largest cost of all, because neither end of it is in a near cache. Here AES
//! reads the body and writes the record, in one pass. Keys, nonces, sequence numbers and the limits on them stay
//! rustls's; only the step from plaintext to ciphertext is ours, and its output is the same byte for byte.
//!
//! Spec: RFC 8446 §5.2, §5.3.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, TlsProtocolId, TlsRecordSealingKey};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion, SupportedCipherSuite,
    Tls13CipherSuite,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self as stock, cipher_suite},
        cipher::{
            AeadKey, Iv, MessageDecrypter, MessageEncrypter, Nonce, OutboundChunks, OutboundOpaqueMessage,
            OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm, UnsupportedOperationError,
            make_tls13_aad,
        },
    },
};

/// Longest plaintext of a record (RFC 8446 §5.1).
const FRAGMENT_BYTES_MAX: usize = 1 << 14;
/// Bytes of an AES-GCM tag.
const TAG_BYTES: usize = 16;
/// What a record's room is made of before it is written.
static ZEROS: [u8; FRAGMENT_BYTES_MAX + 1 + TAG_BYTES] = [0; FRAGMENT_BYTES_MAX + 1 + TAG_BYTES];

static AES_128: LazyLock<Tls13CipherSuite> =
    LazyLock::new(|| suite(cipher_suite::TLS13_AES_128_GCM_SHA256, &AES_128_GCM));
static AES_256: LazyLock<Tls13CipherSuite> =
    LazyLock::new(|| suite(cipher_suite::TLS13_AES_256_GCM_SHA384, &AES_256_GCM));

/// rustls's provider on aws-lc, with its order of ciphers, whose AES-GCM of TLS 1.3 seals without a copy.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = stock::default_provider();
    for suite in &mut provider.cipher_suites {
        if *suite == cipher_suite::TLS13_AES_128_GCM_SHA256 {
            *suite = SupportedCipherSuite::Tls13(&AES_128);
        } else if *suite == cipher_suite::TLS13_AES_256_GCM_SHA384 {
            *suite = SupportedCipherSuite::Tls13(&AES_256);
        }
    }
    Arc::new(provider)
}

/// `stock` with another way to seal.
fn suite(stock: SupportedCipherSuite, algorithm: &'static Algorithm) -> Tls13CipherSuite {
    let stock = stock.tls13().expect("a cipher suite of TLS 1.3");
    let aead = Box::leak(Box::new(Sealing { stock: stock.aead_alg, algorithm }));
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: stock.common.suite,
            hash_provider: stock.common.hash_provider,
            confidentiality_limit: stock.common.confidentiality_limit,
        },
        hkdf_provider: stock.hkdf_provider,
        aead_alg: aead,
        quic: None,
    }
}

/// rustls's own algorithm, but for sealing.
struct Sealing {
    stock: &'static dyn Tls13AeadAlgorithm,
    algorithm: &'static Algorithm,
}

impl Tls13AeadAlgorithm for Sealing {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        match TlsRecordSealingKey::new(self.algorithm, TlsProtocolId::TLS13, key.as_ref()) {
            Ok(key) => Box::new(Encrypter { key, iv }),
            // No key of the right length is refused; should one be, rustls is asked.
            Err(_) => self.stock.encrypter(key, iv),
        }
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.stock.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.stock.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.stock.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.stock.fips()
    }
}

/// Seals the records of one direction of one connection.
struct Encrypter {
    key: TlsRecordSealingKey,
    iv: Iv,
}

impl MessageEncrypter for Encrypter {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let len = message.payload.len();
        let sealed_len = self.encrypted_payload_len(len);
        let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key(Nonce::new(&self.iv, sequence).0);
        let aad = Aad::from(make_tls13_aad(sealed_len));
        // The true type of the content comes behind it, encrypted.
        let kind = message.typ.to_array();
        let mut record = PrefixedPayload::with_capacity(sealed_len);
        let sealed = match in_one_piece(&message.payload).zip(ZEROS.get(..sealed_len)) {
            Some((plain, room)) => {
                record.extend_from_slice(room);
                let (body, kind_and_tag) = record.as_mut().split_at_mut(len);
                self.key.seal_out_of_place_scatter(nonce, aad, plain, body, &kind, kind_and_tag)
            }
            None => {
                record.extend_from_chunks(&message.payload);
                record.extend_from_slice(&kind);
                self.key.seal_in_place_append_tag(nonce, aad, &mut record)
            }
        };
        sealed.map_err(|_| Error::EncryptError)?;
        // On the wire every record says that it is application data of TLS 1.2 (RFC 8446 §5.2).
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, record))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len.saturating_add(1).saturating_add(TAG_BYTES)
    }
}

/// The bytes of `payload`, when they lie together.
fn in_one_piece<'a>(payload: &'a OutboundChunks<'_>) -> Option<&'a [u8]> {
    match payload {
        OutboundChunks::Single(bytes) => Some(bytes),
        OutboundChunks::Multiple { chunks, start, end } => {
            let mut chunk_start: usize = 0;
            for chunk in *chunks {
                let chunk_end = chunk_start.checked_add(chunk.len())?;
                if *start < chunk_end {
                    return chunk.get(start.checked_sub(chunk_start)?..end.checked_sub(chunk_start)?);
                }
                chunk_start = chunk_end;
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
