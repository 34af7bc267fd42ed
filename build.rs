//! Checks that the page was built: it is embedded in the binary.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=src/web/dist");
    if !Path::new("src/web/dist/index.html").exists() {
        println!("cargo::error=the page is not built: run `make page` first (needs node and npm)");
    }
}
