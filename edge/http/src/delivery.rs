//! How file bytes leave: settings, and the addresses of all cores.

use std::{num::NonZeroUsize, sync::Arc};

use rillcast_sys::{
    address_space::{Access, AddressRange, AddressSpace},
    token::{RUN_BYTES_MAX, TokenTable},
};

use crate::body_source::SourceFile;

/// How file bytes leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Whether file bytes go from the page cache to plain HTTP/1.1 clients by `sendfile`; else they are read.
    pub zero_copy: bool,
    /// Pieces of bodies, of up to 2 MiB each, that one core may have under way so. Each takes 2 MiB of address
    /// space and no memory. Beyond, bytes are read. A connection has two at most.
    pub tokens_per_core: usize,
    /// What a read of a body's address does that should never happen. Only tests choose [`Access::Fault`].
    pub stray_read: Access,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { zero_copy: true, tokens_per_core: 32_768, stray_read: Access::Zeros }
    }
}

impl Delivery {
    /// A table of tokens for each core, out of one reservation; none where it is switched off or refused.
    pub(crate) fn token_tables(&self, cores: NonZeroUsize) -> Vec<Option<Arc<TokenTable<SourceFile>>>> {
        let none = || vec![None; cores.get()];
        if !self.zero_copy || self.tokens_per_core == 0 {
            return none();
        }
        let bytes_a_core = self.tokens_per_core.saturating_mul(RUN_BYTES_MAX);
        let space = match AddressSpace::reserve(bytes_a_core.saturating_mul(cores.get()), self.stray_read) {
            Ok(space) => Arc::new(space),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "no address space for zero-copy delivery: file bytes are read (see `ulimit -v`)"
                );
                return none();
            }
        };
        (0..cores.get())
            .map(|core| AddressRange::of(&space, core.saturating_mul(bytes_a_core), bytes_a_core))
            .map(|range| range.map(|range| TokenTable::new(range, self.tokens_per_core)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(delivery: Delivery) -> usize {
        delivery.token_tables(NonZeroUsize::new(3).unwrap()).iter().flatten().count()
    }

    #[test]
    fn each_core_has_a_table_unless_it_is_switched_off_or_refused() {
        let delivery = Delivery::default();
        assert_eq!(tables(delivery), 3);
        assert_eq!(tables(Delivery { zero_copy: false, ..delivery }), 0);
        assert_eq!(tables(Delivery { tokens_per_core: 0, ..delivery }), 0);
        assert_eq!(tables(Delivery { tokens_per_core: usize::MAX, ..delivery }), 0);
    }
}
