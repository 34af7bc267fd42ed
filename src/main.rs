//! The rillcast binary.
fn main() {}
