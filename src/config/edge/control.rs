//! The control plane as an edge sees it: where orders come from.

use std::env;
use std::path::{Path, PathBuf};

use super::path;
use crate::config::ConfigError;
use crate::config::raw::RawOrders;

/// Where orders come from, and where what they said is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrdersConfig {
    pub(crate) from: OrdersFrom,
    /// The file of what was known, for the next start; nothing is kept without.
    pub(crate) state: Option<PathBuf>,
}

/// Where orders come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrdersFrom {
    /// A file, or the one in a folder.
    Path(PathBuf),
    /// A control plane on another machine.
    Service(Service),
}

/// A service of the operator on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) url: String,
    /// The file of the secret that proves who asks.
    pub(crate) secret_file: Option<PathBuf>,
}

impl Service {
    /// The service at `url`, the value of `key`.
    fn of(key: &'static str, url: &str, secret_file: &Path) -> Result<Self, ConfigError> {
        let has_scheme = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if !has_scheme || url.contains(['?', '#']) {
            return Err(ConfigError::Service { key, url: url.to_owned() });
        }
        Ok(Self { url: url.to_owned(), secret_file: path(secret_file) })
    }
}

/// Types `[edge.orders]`; none where there is no source.
pub(super) fn orders(raw: &RawOrders) -> Result<Option<OrdersConfig>, ConfigError> {
    if raw.source.is_empty() {
        return Ok(None);
    }
    let from = if raw.source.contains("://") {
        OrdersFrom::Service(Service::of("edge.orders.source", &raw.source, &raw.secret_file)?)
    } else if raw.secret_file.as_os_str().is_empty() {
        OrdersFrom::Path(PathBuf::from(&raw.source))
    } else {
        return Err(ConfigError::SecretOfFile);
    };
    let state = path(&raw.state).or_else(|| Some(state_folder()?.join("orders.state")));
    Ok(Some(OrdersConfig { from, state }))
}

/// The directory that systemd keeps for us (`StateDirectory=`); the first, where there are several.
fn state_folder() -> Option<PathBuf> {
    let folders = env::var_os("STATE_DIRECTORY")?;
    env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
}
