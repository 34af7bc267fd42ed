//! How many connections there are, in all and by client; shared by all cores, touched when one opens or closes.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use crate::networks::Household;

/// Counts of open connections. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionCount(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    total: AtomicUsize,
    total_max: usize,
    /// Never holds a zero, so never more entries than connections.
    by_client: Mutex<HashMap<Household, usize>>,
    by_client_max: usize,
}

impl ConnectionCount {
    pub(crate) fn new(total_max: usize, by_client_max: usize) -> Self {
        let counts =
            Counts { total: AtomicUsize::new(0), total_max, by_client: Mutex::default(), by_client_max };
        Self(Arc::new(counts))
    }

    /// Connections open now.
    pub(crate) fn total(&self) -> usize {
        self.0.total.load(Ordering::Relaxed)
    }

    /// Counts one more connection, unless there are as many as may be.
    pub(crate) fn open(&self) -> Option<OpenConnection> {
        let counted = self.0.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| {
            (total < self.0.total_max).then(|| total.saturating_add(1))
        });
        counted.ok().map(|_| OpenConnection { counts: self.clone(), client: None })
    }
}

/// A counted connection; dropping it uncounts it.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    counts: ConnectionCount,
    client: Option<Household>,
}

impl OpenConnection {
    /// Counts it for its client too; false when the client has as many as it may have.
    pub(crate) fn attribute(&mut self, ip: IpAddr) -> bool {
        let household = Household::of(ip);
        let Counts { by_client, by_client_max, .. } = &*self.counts.0;
        let mut by_client = by_client.lock();
        let open = by_client.get(&household).copied().unwrap_or(0);
        if open >= *by_client_max {
            return false;
        }
        by_client.insert(household, open.saturating_add(1));
        drop(by_client);
        self.client = Some(household);
        true
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let Counts { total, by_client, .. } = &*self.counts.0;
        total.fetch_sub(1, Ordering::Relaxed);
        let Some(household) = self.client else { return };
        let mut by_client = by_client.lock();
        match by_client.get_mut(&household) {
            Some(open) if *open > 1 => *open = open.saturating_sub(1),
            _ => {
                by_client.remove(&household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_a_closed_connection_makes_room() {
        let count = ConnectionCount::new(3, 2);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut open: Vec<_> = (0..3).map(|_| count.open().unwrap()).collect();
        assert!(count.open().is_none());
        assert!(open[0].attribute(one) && open[1].attribute(one));
        assert!(!open[2].attribute(one));
        assert!(open[2].attribute(other));
        open.remove(0);
        assert_eq!(count.total(), 2);
        assert!(count.open().unwrap().attribute(one));
        open.clear();
        assert!(count.0.by_client.lock().is_empty());
    }
}
