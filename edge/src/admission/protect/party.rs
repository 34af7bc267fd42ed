//! What parties are called in the tables: 128 bits that nobody can choose.

use std::{
    hash::{BuildHasher as _, Hash},
    net::IpAddr,
};

use foldhash::quality::RandomState;
use rillcast_token::Grant;

/// Bits of an address that make one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4: 32 is one address.
    pub ipv4: u32,
    /// Of IPv6: 64 is what one household or host can use freely.
    pub ipv6: u32,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 64 }
    }
}

impl Prefixes {
    /// The network that `address` is in. IPv4 stands where IPv6 has it mapped.
    fn network(self, address: IpAddr) -> u128 {
        let (bits, host_bits) = match address.to_canonical() {
            IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), 32_u32.saturating_sub(self.ipv4)),
            IpAddr::V6(v6) => (v6.to_bits(), 128_u32.saturating_sub(self.ipv6)),
        };
        bits & u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

/// Makes names; another one at every start.
#[derive(Debug, Default)]
pub(super) struct Namer {
    front: RandomState,
    back: RandomState,
}

impl Namer {
    /// Whose limit a token counts for: its session's, or its own.
    pub(super) fn token(&self, environment: &str, grant: &Grant) -> u128 {
        match grant.session() {
            Some(session) => self.name(&(environment, session)),
            // The id alone has 32 bits.
            None => self.name(&(environment, grant.key_id(), grant.id(), grant.subject(), grant.until())),
        }
    }

    /// Whose limit a client counts for: that of its network, in each environment.
    pub(super) fn client(&self, environment: &str, address: IpAddr, prefixes: Prefixes) -> u128 {
        self.name(&(environment, prefixes.network(address)))
    }

    /// Two hashes with different seeds: that two parties agree in both does not happen.
    fn name(&self, of: &impl Hash) -> u128 {
        u128::from(self.front.hash_one(of)) << 64 | u128::from(self.back.hash_one(of))
    }
}
