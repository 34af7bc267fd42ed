//! Browsers that the scripts in `tests/interop` drive.

use std::path::{Path, PathBuf};

use super::tools;

/// Whether the browser, Node and the packages are there; else says that the test is skipped, or fails it where
/// `RILLCAST_REQUIRE_TOOLS=1` demands them.
pub(crate) fn present() -> bool {
    let chromium = tools::variable("CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
    if !tools::present(&["node", &chromium.to_string_lossy()]) {
        return false;
    }
    let packages = scripts().join("node_modules/playwright-core");
    if !packages.is_dir() {
        tools::skip("no packages in tests/interop: `make interop-packages` installs them");
    }
    packages.is_dir()
}

/// Where the scripts and their packages are.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}
