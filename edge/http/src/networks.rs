//! Sets of IP networks, for deciding whom to believe.

use std::{fmt, net::IpAddr, str::FromStr};

/// An IP network such as `10.0.0.0/8`, `2001:db8::/32` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

/// Why a text is no network; the operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor an address, a slash and a number.
    #[error("`{text}` is no IP network")]
    Syntax {
        /// The text.
        text: String,
    },
    /// The prefix is longer than the address.
    #[error("`{text}`: an address of this family has {limit} bits")]
    PrefixTooLong {
        /// The text.
        text: String,
        /// Bits of an address of its family.
        limit: u32,
    },
}

impl Network {
    /// Whether `ip` belongs to it; IPv4 in IPv6 counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        number(ip) & self.mask == self.address
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let syntax = || NetworkError::Syntax { text: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // The standard library takes a plus sign too.
            Some(prefix) if prefix.starts_with('+') => return Err(syntax()),
            Some(prefix) => prefix.parse::<u32>().map_err(|_| syntax())?,
        };
        let free = bits
            .checked_sub(prefix)
            .ok_or_else(|| NetworkError::PrefixTooLong { text: text.to_owned(), limit: bits })?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Ok(Self { address: number(address) & mask, mask })
    }
}

/// A set of networks; the empty one trusts nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Whether any network of the set holds `ip`.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// Whose connections are counted together: an IPv4 address, or the /64 that one IPv6 host can use freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Household(u128);

impl Household {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            v4 @ IpAddr::V4(_) => Self(number(v4)),
            IpAddr::V6(v6) => Self(v6.to_bits() & (u128::MAX << 64)),
        }
    }
}

impl fmt::Display for Household {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::Ipv6Addr::from_bits(self.0).to_canonical().fmt(f)
    }
}

/// Both families in one line of numbers: IPv4 where it is mapped into IPv6.
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_follows_the_prefix() {
        for (network, ip, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip.parse().unwrap()), inside, "{network:?} {ip}");
        }
    }

    #[test]
    fn a_prefix_may_be_as_long_as_the_address_and_not_one_longer() {
        for (text, limit) in [("10.0.0.1/33", 32), ("::1/129", 128)] {
            assert_eq!(
                text.parse::<Network>(),
                Err(NetworkError::PrefixTooLong { text: text.to_owned(), limit })
            );
        }
        for text in ["10.0.0.1/32", "::1/128"] {
            assert!(text.parse::<Network>().is_ok());
        }
        for text in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/+8", "host/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Syntax { text: text.to_owned() }));
        }
    }

    #[test]
    fn one_ipv6_host_is_one_household_whatever_address_it_takes() {
        let of = |ip: &str| Household::of(ip.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
